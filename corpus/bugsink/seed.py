"""Fills Bugsink with a team, two projects and 120 events of 12 issues. Run with the settings of the app."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import django
from django.core.management import call_command
from django.test import Client

ISSUES, EVENTS = 12, 120
KEY = uuid.UUID(int=7)
TOKEN = "c0" * 20

django.setup()
call_command("migrate", verbosity=0)
call_command("migrate", database="snappea", verbosity=0)

from bsmain.models import AuthToken  # noqa: E402
from projects.models import Project, ProjectMembership, ProjectRole  # noqa: E402
from teams.models import Team, TeamMembership, TeamRole  # noqa: E402
from users.models import User  # noqa: E402

draw = random.Random(7)
user = User.objects.create_superuser("ada", "ada@example.org", "engine")
team = Team.objects.create(name="The team")
TeamMembership.objects.create(team=team, user=user, role=TeamRole.ADMIN, accepted=True)
for name in ["shop", "worker"]:
    project = Project.objects.create(name=name, team=team, sentry_key=KEY)
    ProjectMembership.objects.create(project=project, user=user, role=ProjectRole.ADMIN, accepted=True)
AuthToken.create_full_access(token=TOKEN, description="corpus")


def frame(number):
    return {
        "filename": f"shop/module{number}.py",
        "function": f"step{number}",
        "lineno": 10 + number,
        "context_line": "    return answer(question)",
        "pre_context": ["def step(question):", "    check(question)"],
        "post_context": ["", ""],
        "in_app": number % 2 == 0,
        "vars": {"question": "'why'", "number": str(number)},
    }


client = Client()
for number in range(EVENTS):
    issue = number % ISSUES
    answer = client.post(
        "/api/1/store/",
        {
            "event_id": uuid.UUID(int=draw.getrandbits(128)).hex,
            "timestamp": (datetime.now(UTC) - timedelta(minutes=EVENTS - number)).isoformat(),
            "platform": "python",
            "level": "error",
            "release": f"1.{number // 40}",
            "environment": draw.choice(["production", "staging"]),
            "user": {"id": str(draw.randint(1, 30))},
            "tags": {"browser": draw.choice(["Firefox", "Chrome"])},
            "breadcrumbs": {
                "values": [
                    {"category": "query", "message": f"select {n}", "timestamp": 1_750_000_000 + n}
                    for n in range(8)
                ]
            },
            "exception": {
                "values": [
                    {
                        "type": f"Error{issue}",
                        "value": f"case {issue}",
                        "stacktrace": {"frames": [frame(n) for n in range(issue, issue + 8)]},
                    }
                ]
            },
        },
        content_type="application/json",
        headers={"x-sentry-auth": f"Sentry sentry_key={KEY.hex}, sentry_version=7"},
    )
    assert answer.status_code == 200, answer.content

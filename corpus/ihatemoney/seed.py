"""Fills the project "demo" with members and bills. Run with the settings of the app."""

import random

from flask import g
from ihatemoney.models import Bill, Person, Project, db
from served import application

MEMBERS, BILLS = 8, 40

draw = random.Random(7)

with application.test_request_context():
    g.lang = "en"
    project = Project.create_demo_project()
    for number in range(MEMBERS):
        db.session.add(Person(name=f"member {number}", project=project, weight=1))
    db.session.commit()
    people = list(project.members)
    for number in range(BILLS):
        bill = Bill(
            amount=draw.randint(1, 100),
            original_currency=project.default_currency,
            owers=draw.sample(people, 3),
            payer_id=draw.choice(people).id,
            project_default_currency=project.default_currency,
            what=f"bill {number}",
        )
        db.session.add(bill)
    db.session.commit()

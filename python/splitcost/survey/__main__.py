"""``python -m splitcost.survey DIRECTORY``: prints what was found there as JSON."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

from splitcost.survey.apps import database_variables, find_apps, find_celery, imported_framework
from splitcost.survey.django import Django
from splitcost.survey.routes import find_routes
from splitcost.survey.source import Source

SERVERS = ("uvicorn", "hypercorn", "granian", "daphne", "gunicorn", "waitress")
"""The servers that a start command can be written for."""


def main() -> int:
    """Print the survey of the directory that the command line names."""
    source = Source.read(Path(sys.argv[1]))
    apps = find_apps(source)
    framework = apps[0].framework if apps else imported_framework(source)
    survey = {
        "apps": [dataclasses.asdict(app) for app in apps],
        "parts": Django(source).parts() if framework == "django" else [],
        "celery": find_celery(source),
        "database_variables": database_variables(source),
        "servers": [name for name in SERVERS if importlib.util.find_spec(name) is not None],
        "routes": [dataclasses.asdict(route) for route in find_routes(source, framework)],
        "modules": {
            name: {
                "lines": module.lines,
                "directory": module.directory,
                "imports": sorted(source.imported(module)),
            }
            for name, module in source.modules.items()
        },
    }
    print(json.dumps(survey))
    return 0


if __name__ == "__main__":
    sys.exit(main())

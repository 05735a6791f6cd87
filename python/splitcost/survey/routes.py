"""Finds the routes that an app declares: decorators, route tables and URL configurations."""

from __future__ import annotations

from splitcost.survey.django import Django
from splitcost.survey.route import Route
from splitcost.survey.routers import Routers
from splitcost.survey.source import Source
from splitcost.survey.tables import table_routes


def find_routes(source: Source, framework: str) -> list[Route]:
    """Return the routes of all modules, each once."""
    if framework == "django":
        found = list(Django(source).routes())
    else:
        routers = Routers(source, framework)
        found = [route for module in source.modules.values() for route in routers.routes(module)]
        found += table_routes(source, routers, framework)
    # Frameworks answer OPTIONS and HEAD by themselves.
    found = [route for route in found if route.method not in ("HEAD", "OPTIONS")]
    unique = {(route.method, route.path): route for route in reversed(found)}
    return sorted(unique.values(), key=lambda route: (route.path.count("/"), route.path, route.method))

"""The places where requests enter an app, one small file for each server, framework and runner of jobs.

Each file has the function ``hook``, which is called with each module that :data:`FILES` lists for it, right after
the app has imported that module; no library is imported for it. A server's file has its requests recorded, by
:func:`splitcost.gateways.request.asgi` and its like. A framework's file tells, by
:func:`splitcost.gateways.request.found`, the route and the function that the framework chose. To add one, add a
file and a row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

__all__ = ["FILES", "hooks"]

#: The file for a module.
FILES = {
    "aiohttp.web_app": "aiohttp",
    "apscheduler.executors.base": "apscheduler",
    "arq.worker": "arq",
    ".bottle": "bottle",
    "celery.app.trace": "celery",
    "cheroot.wsgi": "cheroot",
    "click.core": "click",
    "daphne.server": "daphne",
    "django.core.handlers.base": "django",
    "dramatiq.worker": "dramatiq",
    "eventlet.patcher": "greenlets",
    "falcon.app": "falcon",
    "fastapi.routing": "starlette",
    "flask.app": "flask",
    "gevent.monkey": "greenlets",
    "granian.asgi": "granian",
    "granian.server.common": "granian",
    "granian.wsgi": "granian",
    "gunicorn.workers.base": "gunicorn",
    "gunicorn.workers.gasgi": "gunicorn",
    "gunicorn.workers.gthread": "gunicorn",
    "gunicorn.workers.sync": "gunicorn",
    "hypercorn.app_wrappers": "hypercorn",
    "hypercorn.asyncio.run": "hypercorn",
    "litestar.routes.http": "litestar",
    "litestar.routes.websocket": "litestar",
    "ninja.operation": "ninja",
    "pyramid.viewderivers": "pyramid",
    "quart.app": "flask",
    "rq.job": "rq",
    "sanic.server.protocols.http_protocol": "sanic",
    "starlette.applications": "starlette",
    "starlette.routing": "starlette",
    "tornado.routing": "tornado",
    "tornado.web": "tornado",
    "typer._click.core": "click",
    "uvicorn.config": "uvicorn",
    "waitress.server": "waitress",
    "werkzeug.serving": "werkzeug",
    "wsgiref.handlers": "wsgiref",
}


def hooks() -> dict[str, Callable[[ModuleType], None]]:
    """Return the hook of each module."""
    return {module: _hook(file) for module, file in FILES.items()}


def _hook(file: str) -> Callable[[ModuleType], None]:
    def hook(module: ModuleType) -> None:
        importlib.import_module(f"{__name__}.{file}").hook(module)

    hook.__name__ = f"the hook of {file}"
    return hook

"""The places where requests enter an app, one small file for each server, framework and runner of jobs.

Each file has the function ``hook``, which is called with each module that :data:`SERVERS` or :data:`FRAMEWORKS`
lists for it, right after the app has imported that module; no library is imported for it. A server's file has its
requests followed, by :func:`splitcost.gateways.request.asgi` and its like. A framework's file tells, by
:func:`splitcost.gateways.request.found`, the route and the function that the framework chose. To add one, add a
file and a row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splitcost.gateways.request import Watcher

__all__ = ["FRAMEWORKS", "SERVERS", "hooks"]

#: The file for a module of a server that takes requests.
SERVERS = {
    "aiohttp.web_app": "aiohttp",
    "cheroot.wsgi": "cheroot",
    "daphne.server": "daphne",
    "granian.asgi": "granian",
    "granian.server.common": "granian",
    "granian.wsgi": "granian",
    "gunicorn.workers.base": "gunicorn",
    "gunicorn.workers.gasgi": "gunicorn",
    "gunicorn.workers.gthread": "gunicorn",
    "gunicorn.workers.sync": "gunicorn",
    "hypercorn.app_wrappers": "hypercorn",
    "hypercorn.asyncio.run": "hypercorn",
    "sanic.server.protocols.http_protocol": "sanic",
    "starlette.applications": "starlette",
    "tornado.routing": "tornado",
    "tornado.web": "tornado",
    "uvicorn.config": "uvicorn",
    "waitress.server": "waitress",
    "werkzeug.serving": "werkzeug",
    "wsgiref.handlers": "wsgiref",
}

#: The file for a module of a framework, or of a runner of jobs or commands.
FRAMEWORKS = {
    "apscheduler.executors.base": "apscheduler",
    "arq.worker": "arq",
    ".bottle": "bottle",
    "celery.app.trace": "celery",
    "click.core": "click",
    "datasette.app": "datasette",
    "django.core.handlers.base": "django",
    "dramatiq.worker": "dramatiq",
    "eventlet.patcher": "greenlets",
    "falcon.app": "falcon",
    "fastapi.routing": "starlette",
    "flask.app": "flask",
    "gevent.monkey": "greenlets",
    "litestar.routes.http": "litestar",
    "litestar.routes.websocket": "litestar",
    "ninja.operation": "ninja",
    "pyramid.viewderivers": "pyramid",
    "quart.app": "flask",
    "rq.job": "rq",
    "starlette.routing": "starlette",
    "typer._click.core": "click",
    "werkzeug.routing.map": "werkzeug",
}


def hooks(watcher: Watcher, files: dict[str, str]) -> dict[str, Callable[[ModuleType], None]]:
    """Return the hook of each module in ``files``, which will tell ``watcher`` of requests."""
    importlib.import_module(f"{__name__}.request").watch(watcher)
    return {module: _hook(file) for module, file in files.items()}


def _hook(file: str) -> Callable[[ModuleType], None]:
    def hook(module: ModuleType) -> None:
        importlib.import_module(f"{__name__}.{file}").hook(module)

    hook.__name__ = f"the hook of {file}"
    return hook

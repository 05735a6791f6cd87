"""Servers, and the commands by which they serve an app of `recorder/apps/store`."""

from __future__ import annotations

from dataclasses import dataclass

WSGIREF = """
import sys
from importlib import import_module
from wsgiref.simple_server import make_server
make_server("127.0.0.1", {port}, import_module("store.APP").app).serve_forever()
"""

CHEROOT = """
from importlib import import_module
from cheroot.wsgi import Server
Server(("127.0.0.1", {port}), import_module("store.APP").app).start()
"""

_COMMANDS = {
    "aiohttp": ("aiohttp", "-m store.APP {port}"),
    "cheroot": ("cheroot", CHEROOT),
    "daphne": ("daphne", "-m daphne -p {port} store.APP:app"),
    "granian": ("granian", "-m granian --port {port} --interface asgi store.APP:app"),
    "granian_wsgi": (
        "granian",
        "-m granian --port {port} --interface wsgi --blocking-threads 3 store.APP:app",
    ),
    "gunicorn": ("gunicorn", "-m gunicorn -w 2 -b 127.0.0.1:{port} store.APP:app"),
    "gthread": ("gunicorn", "-m gunicorn -k gthread --threads 2 -b 127.0.0.1:{port} store.APP:app"),
    "gunicorn_asgi": ("gunicorn", "-m gunicorn -k asgi -b 127.0.0.1:{port} store.APP:app"),
    "gunicorn_uvicorn": (
        "uvicorn",
        "-m gunicorn -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} store.APP:app",
    ),
    "hypercorn": ("hypercorn", "-m hypercorn -w 2 -b 127.0.0.1:{port} store.APP:app"),
    "sanic": ("sanic", "-m store.APP {port}"),
    "tornado": ("tornado", "-m store.APP {port}"),
    "hypercorn_wsgi": ("hypercorn", "-m hypercorn -b 127.0.0.1:{port} wsgi:store.APP:app"),
    "uvicorn": ("uvicorn", "-m uvicorn --port {port} store.APP:app"),
    "uvicorn_workers": ("uvicorn", "-m uvicorn --workers 2 --port {port} store.APP:app"),
    "waitress": ("waitress", "-m waitress --threads 6 --listen 127.0.0.1:{port} store.APP:app"),
    "werkzeug": ("werkzeug", "-m flask --app store.APP run --port {port}"),
    "wsgiref": ("wsgiref", WSGIREF),
}


@dataclass
class ServerCommand:
    """The name of a server, and how it runs `store.APP:app`."""

    name: str
    text: str

    def command(self, app: str) -> list[str]:
        """The arguments of the interpreter, in which `{port}` stands for the port."""
        text = self.text.replace("APP", app)
        return ["-c", text] if "\n" in text else text.split()


#: Several have numbers of workers and threads of their own.
SERVERS = {place: ServerCommand(*served) for place, served in _COMMANDS.items()}

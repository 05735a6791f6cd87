"""Requests are the same whatever takes them: servers, frameworks, runners of jobs, commands."""

from __future__ import annotations

import pytest
from server_support import served

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

#: The name of each server, and how it runs `store.APP:app`.
SERVERS = {
    "aiohttp": ("aiohttp", "-m store.APP {port}"),
    "cheroot": ("cheroot", CHEROOT),
    "daphne": ("daphne", "-m daphne -p {port} store.APP:app"),
    "granian": ("granian", "-m granian --port {port} --interface asgi store.APP:app"),
    "granian_wsgi": ("granian", "-m granian --port {port} --interface wsgi store.APP:app"),
    "gunicorn": ("gunicorn", "-m gunicorn -b 127.0.0.1:{port} store.APP:app"),
    "gthread": ("gunicorn", "-m gunicorn -k gthread --threads 2 -b 127.0.0.1:{port} store.APP:app"),
    "gunicorn_asgi": ("gunicorn", "-m gunicorn -k asgi -b 127.0.0.1:{port} store.APP:app"),
    "gunicorn_uvicorn": (
        "uvicorn",
        "-m gunicorn -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} store.APP:app",
    ),
    "hypercorn": ("hypercorn", "-m hypercorn -b 127.0.0.1:{port} store.APP:app"),
    "sanic": ("sanic", "-m store.APP {port}"),
    "tornado": ("tornado", "-m store.APP {port}"),
    "uvicorn": ("uvicorn", "-m uvicorn --port {port} store.APP:app"),
    "waitress": ("waitress", "-m waitress --listen 127.0.0.1:{port} store.APP:app"),
    "werkzeug": ("werkzeug", "-m flask --app store.APP run --port {port}"),
    "wsgiref": ("wsgiref", WSGIREF),
}

WSGI, ASGI = "(wsgi)", "(asgi)"
ITEM = ("GET /items/{item}", "item")
ITEMS = {"/items/3": ITEM}
FLASK = ITEMS | {"/class/3": ("GET /class/{item}", "Items.get")}
DJANGO = FLASK | {"/later/3": ("GET /later/{item}", "later"), "/page": ("GET /page", "Page")}

#: The module of the app, the server, the root call, and by path the route and the handler.
WEB = [
    ("by_flask", "gunicorn", WSGI, FLASK),
    ("by_flask", "werkzeug", WSGI, FLASK),
    ("by_wsgi", "gthread", WSGI, {"/a": ("GET /a", "app")}),
    ("by_wsgi", "granian_wsgi", WSGI, {"/a": ("GET /a", "app")}),
    ("django_wsgi", "wsgiref", WSGI, DJANGO),
    (
        "rest_wsgi",
        "waitress",
        WSGI,
        FLASK
        | {
            "/set/3": ("GET /set/{item}", "Shelf.retrieve"),
            "/ninja/items/3": ("GET /ninja/items/{item}", "ninja_item"),
        },
    ),
    ("by_pyramid", "waitress", WSGI, ITEMS | {"/class/3": ("GET /class/{item}", "Items.show")}),
    ("by_bottle", "cheroot", WSGI, ITEMS),
    ("by_falcon", "cheroot", WSGI, {"/items/3": ("GET /items/{item}", "Items.on_get")}),
    ("by_fastapi", "uvicorn", ASGI, ITEMS),
    ("by_fastapi", "gunicorn_uvicorn", ASGI, ITEMS),
    ("by_fastapi", "gunicorn_asgi", ASGI, ITEMS),
    ("by_fastapi", "granian", ASGI, ITEMS),
    ("by_litestar", "hypercorn", ASGI, ITEMS | {"/class/3": ("GET /class/{item}", "Items.show")}),
    ("by_quart", "hypercorn", ASGI, ITEMS),
    ("django_asgi", "daphne", ASGI, DJANGO),
    ("by_aiohttp", "aiohttp", "(aiohttp)", FLASK),
    ("by_sanic", "sanic", "(sanic)", ITEMS),
    (
        "by_tornado",
        "tornado",
        "(tornado)",
        {"/items/3": ("GET /items/{item}", "Item.get"), "/class/3": ("GET /class/{}", "Plain.get")},
    ),
]


@pytest.mark.parametrize(("app", "place", "root", "paths"), WEB, ids=lambda part: str(part)[:12])
def test_route_and_handler(runs, app, place, root, paths):
    name, command = SERVERS[place]
    command = command.replace("APP", app)
    module = "store." + {"django": "by_django", "rest": "by_rest"}.get(app.partition("_")[0], app)
    with served(runs, *(["-c", command] if "\n" in command else command.split())) as server:
        for path in paths:
            assert server.get(path).status_code == 200, server.stderr.read_text()
        server.get(next(iter(paths)), named="GET /named")
        found = server.requests(len(paths) + 1)
    expected = {endpoint: f"{module}:{handler}" for endpoint, handler in paths.values()}
    expected["GET /named"] = next(iter(expected.values()))
    for log, _ in found:
        assert (log.damage, log.troubles) == (None, [])
        assert log.servers == [name]
    ended = {log.requests[i]["endpoint"]: log.requests[i] for log, i in found}
    assert {endpoint: r["handler"] for endpoint, r in ended.items()} == expected
    assert {r["status"] for r in ended.values()} == {200}
    for log, i in found:
        (tree,) = [log.tree(i)]
        assert tree[0] == f"(framework):{root}"
        if "/page" not in log.requests[i]["endpoint"]:
            assert any(line.strip().startswith("store.pricing:price") for line in tree), tree
        # Hooks, middleware and background tasks belong to the request.
        assert {c.request for c in log.named("store.pricing:log")} <= set(log.requests)

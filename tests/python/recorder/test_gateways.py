"""Requests are the same whatever takes them: servers, frameworks, runners of jobs, commands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from recorder_support import UNLIMITED, Runs
from server_support import STORE, served
from servers import SERVERS

#: The processes that take requests, and the threads on which each runs them, where the server knows.
LIMITS = {
    "cheroot": {"server_threads": 10},
    "granian": {"processes": 1},
    "granian_wsgi": {"processes": 1, "server_threads": 3},
    "gunicorn": {"processes": 2, "server_threads": 1},
    "gthread": {"processes": 1, "server_threads": 2},
    "gunicorn_asgi": {"processes": 1},
    "gunicorn_uvicorn": {"processes": 1},
    "hypercorn": {"processes": 2},
    "hypercorn_wsgi": {"processes": 1, "server_threads": ThreadPoolExecutor()._max_workers},
    "uvicorn": {"processes": 1},
    "uvicorn_workers": {"processes": 2},
    "waitress": {"server_threads": 6},
    "werkzeug": {"server_threads": None},
    "wsgiref": {"server_threads": 1},
}

WSGI, ASGI = "(wsgi)", "(asgi)"
ITEM = ("GET /items/{item}", "item")
ITEMS = {"/items/3": ITEM}
ITEMS_OF_RULES = {
    "/items/3": ("GET /items/{item}", "answer"),
    "/class/3": ("GET /class/{item}", "Items.show"),
}
FLASK = ITEMS | {"/class/3": ("GET /class/{item}", "Items.get")}
DJANGO = FLASK | {"/later/3": ("GET /later/{item}", "later"), "/page": ("GET /page", "Page")}

#: The module of the app, the server, the root call, and by path the route and the handler.
WEB = [
    ("by_flask", "gunicorn", WSGI, FLASK),
    ("by_flask", "werkzeug", WSGI, FLASK),
    (
        "by_werkzeug",
        "waitress",
        WSGI,
        ITEMS_OF_RULES | {"/named/3": ("GET /named/{item}", "app")},
    ),
    ("by_wsgi", "gthread", WSGI, {"/a": ("GET /a", "app")}),
    ("by_wsgi", "hypercorn_wsgi", WSGI, {"/a": ("GET /a", "app")}),
    ("by_wsgi", "granian_wsgi", WSGI, {"/a": ("GET /a", "app")}),
    ("django_wsgi", "wsgiref", WSGI, DJANGO),
    (
        "rest_wsgi",
        "waitress",
        WSGI,
        FLASK
        | {
            "/set/3": ("GET /set/{item}", "Shelf.retrieve"),
            "/stock/3": ("GET /stock/{item}", "Stock"),
            "/ninja/items/3": ("GET /ninja/items/{item}", "ninja_item"),
        },
    ),
    ("by_pyramid", "waitress", WSGI, ITEMS | {"/class/3": ("GET /class/{item}", "Items.show")}),
    ("by_bottle", "cheroot", WSGI, ITEMS),
    ("by_vendored", "cheroot", WSGI, ITEMS),
    ("by_falcon", "cheroot", WSGI, {"/items/3": ("GET /items/{item}", "Items.on_get")}),
    ("by_asgi", "uvicorn", ASGI, {"/a": ("GET /a", "answer")}),
    ("by_asgi", "uvicorn_workers", ASGI, {"/a": ("GET /a", "answer")}),
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
    name, command = SERVERS[place].name, SERVERS[place].command(app)
    for library in (
        name,
        {
            "by_vendored": "bottle",
            "django_wsgi": "django",
            "django_asgi": "django",
            "rest_wsgi": "rest_framework",
        }.get(app, app[3:]),
    ):
        if library not in ("wsgi", "asgi"):
            pytest.importorskip(library)
    module = "store." + {"django": "by_django", "rest": "by_rest"}.get(app.partition("_")[0], app)
    with served(runs, *command) as server:
        for path in paths:
            assert server.get(path).status_code == 200, server.stderr.read_text()
        server.get(next(iter(paths)), named="GET /named")
        found = server.requests(len(paths) + 1)
    expected = {endpoint: f"{module}:{handler}" for endpoint, handler in paths.values()}
    expected["GET /named"] = next(iter(expected.values()))
    for log, _ in found:
        assert (log.damage, log.troubles) == (None, [])
        assert log.servers == ([name, "flask"] if app == "by_flask" else [name])
        assert {limit: count for limit, count in log.limits.items() if limit != "pool_threads"} == LIMITS.get(
            place, {}
        )
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


def test_a_request_that_pyramid_refuses_has_its_route(runs):
    pytest.importorskip("pyramid")
    with served(runs, *SERVERS["waitress"].command("by_pyramid")) as server:
        assert server.get("/locked/3").status_code == 403
        ((log, request),) = server.requests(1)
    ended = log.requests[request]
    assert (ended["endpoint"], ended["status"], ended["handler"]) == ("GET /locked/{item}", 403, None)


POOLS = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
import anyio.to_thread
from store import pricing

ours = ThreadPoolExecutor(3)

async def app(scope, receive, send):
    path = scope["path"]
    if path == "/limiter":
        anyio.to_thread.current_default_thread_limiter().total_tokens = 7
        await anyio.to_thread.run_sync(pricing.price, 1)
        await anyio.to_thread.run_sync(pricing.price, 1)
    elif path == "/pool":
        await asyncio.get_running_loop().run_in_executor(ours, pricing.price, 1)
        ours.submit(pricing.price, 1).result()
    else:
        for _ in range(3):
            with ThreadPoolExecutor(500) as pool:
                pool.submit(pricing.price, 1).result()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

import uvicorn
uvicorn.run(app, port=int(sys.argv[1]))
"""


def test_the_threads_of_pools_are_those_of_each_pool_that_requests_hand_calls_to(runs):
    """A limiter or a pool that is used twice counts once; an app that makes pools as it goes has no limit."""
    with served(runs, "-c", POOLS, "{port}") as server:
        server.get("/limiter")
        server.requests(1)
        server.get("/pool")
        server.requests(2)
        server.get("/new")
        server.requests(3)
        # What is known is written when the next request begins.
        server.get("/limiter")
        ((log, _), *_) = server.requests(4)
    pools = [r["count"] for r in log.records if r["record"] == "limit" and r["limit"] == "pool_threads"]
    assert pools == [7, 10, UNLIMITED]
    assert log.limits["processes"] == 1


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets_are_refused_by_name(runs, library):
    pytest.importorskip(library)
    (log,) = runs.run("-m", "store.by_greenlets", library, **STORE)
    assert runs.stdout == "6\n"
    said = (
        f"{library} has replaced the threads of this process: apps that run on {library} cannot be recorded"
    )
    assert log.troubles == [said]
    assert runs.stderr.count(f"splitcost: recorder switched off: {said}") == 1


def test_a_connection_of_a_websocket_is_a_request(runs):
    from websockets.sync.client import connect

    with served(runs, "-m", "uvicorn", "--port", "{port}", "store.by_fastapi:app") as server:
        with connect(f"ws://127.0.0.1:{server.port}/talk/me") as talk:
            for message in ("a", "bc"):
                talk.send(message)
                assert talk.recv() == str(2 * len(message))
        ((log, request),) = server.requests(1)
    ended = log.requests[request]
    assert (ended["endpoint"], ended["status"]) == ("WebSocket /talk/{name}", 101)
    assert ended["handler"] == "store.by_fastapi:talk"
    assert [line.strip() for line in log.tree(request)].count("store.pricing:price") == 2


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        ("generator", ["  store.bodies:generator", "    store.pricing:price"]),
        (
            "closing",
            [
                "  store.bodies:closing",
                "    store.pricing:price",
                "  store.bodies:Closing.__iter__",
                "  store.bodies:Closing.close",
                "    store.pricing:log",
            ],
        ),
        ("whole", ["  store.bodies:whole"]),
        ("sized", ["  store.bodies:sized"]),
        ("file", ["  store.bodies:file"]),
        ("raising", ["  store.bodies:raising"]),
    ],
)
def test_a_request_of_wsgi_ends_when_its_body_is_closed(runs, body, tree):
    """The server sees the body that it knows how to send."""
    program = f"from asking import ask; ask({body!r})"
    bare = runs.run("-c", program, SPLITCOST_MODE="none")
    answer = runs.stdout
    assert bare == []
    (log,) = runs.run("-c", program, **STORE)
    assert runs.stdout == answer
    log.check()
    asked = [i for i, r in log.requests.items() if r["endpoint"] == "GET /body"]
    assert [log.tree(i) for i in asked] == [["(framework):(wsgi)", *tree]] * 2
    assert {log.requests[i]["status"] for i in asked} == {500 if body == "raising" else 200}


@pytest.mark.parametrize(
    "command",
    [
        "-m uvicorn --port {port} store.by_fastapi:app",
        "-m gunicorn -b 127.0.0.1:{port} store.django_wsgi:app",
    ],
)
def test_a_middleware_of_the_apps_own_takes_no_handler(tmp_path, command):
    pytest.importorskip("django" if "django" in command else "fastapi")
    handlers = []
    for more in ({}, {"STORE_BARE": "1"}):
        runs = Runs(tmp_path / str(len(handlers)))
        with served(runs, *command.split(), **more) as server:
            server.get("/items/3")
            ((log, request),) = server.requests(1)
        handlers.append(log.requests[request]["handler"])
    assert handlers[0] is not None and handlers == [handlers[0]] * 2


@pytest.mark.parametrize(
    "command",
    [
        "-m gunicorn -w 2 --preload -b 127.0.0.1:{port} store.by_flask:app",
        "-m uvicorn --reload --port {port} store.by_fastapi:app",
    ],
)
def test_processes_of_a_server_lose_no_request(runs, command):
    with served(runs, *command.split()) as server:
        for item in range(20):
            assert server.get(f"/items/{item}").status_code == 200
        found = server.requests(20)
    assert [log.requests[request]["endpoint"] for log, request in found] == ["GET /items/{item}"] * 20


def test_an_app_without_a_framework_is_the_handler(runs):
    with served(
        runs, "-m", "gunicorn", "--threads", "4", "-b", "127.0.0.1:{port}", "store.by_wsgi:app"
    ) as server:
        server.get("/a")
        server.get("/b")
        found = server.requests(2)
    ended = sorted((log.requests[i]["endpoint"], log.requests[i]["handler"]) for log, i in found)
    assert ended == [("GET /a", "store.by_wsgi:app"), ("GET /b", "store.by_wsgi:app")]
    for log, i in found:
        assert log.tree(i) == ["(framework):(wsgi)", "  store.by_wsgi:app", "    store.pricing:price"]
        (root,) = [c for c in log.calls.values() if c.request == i and not c.parent]
        # A thread that is blocked, and no loop.
        assert root.events == ["enter", "leave"]
        price = next(c for c in log.named("store.pricing:price") if c.request == i)
        assert price.payloads[False]["file"].endswith("store/by_wsgi.py")


def test_a_handler_is_found_in_every_wrapping_without_running_any(runs):
    program = """
import contextlib
from splitcost.gateways.handler import function_id
from store import views
own = function_id(views.view)
method = function_id(views.View.get)
assert own is not None and method is not None and own != method
assert [function_id(view) for view in (views.checked, views.partial, views.cached)] == [own] * 3
assert function_id(views.View, "GET") == function_id(views.View().get) == method
assert function_id(views.View()) == function_id(views.View.__call__)
assert function_id(views.View.made) not in (None, own, method)
assert function_id(views.Watched, "GET") not in (None, own, method)
# A decorator of a library that does not name what it wraps; a class without the method; nobody's function.
assert function_id(contextlib.contextmanager(views.view)) == own
assert function_id(views.View, "POST") not in (None, own, method)
assert function_id(len) is None and function_id(None) is None and function_id(contextlib.suppress, "GET") is None
"""
    runs.run("-c", program, **STORE)
    assert "switched off" not in runs.stderr, runs.stderr


def test_a_hooked_app_is_called_as_before(runs):
    """Servers find out the kind of an app by calling it without arguments."""
    runs.run(
        "-c",
        "import uvicorn\n"
        "from starlette.applications import Starlette\n"
        "config = uvicorn.Config(Starlette(), log_config=None)\n"
        "config.load()\n"
        "assert config.interface == 'asgi3', config.interface\n",
        **STORE,
    )

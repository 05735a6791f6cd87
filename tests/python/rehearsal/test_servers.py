"""A split runs for real under any server: its requests get a context, and its processes answer calls."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rehearsal_support import DEADLINE_SECS, Split, wait_for
from servers import SERVERS

STORE = Path(__file__).parents[1] / "recorder" / "apps"
REQUESTS = 12

#: The module of the app, the server, and a path whose handler calls `store.pricing`.
WEB = [
    ("by_flask", "gunicorn", "/items/3"),
    ("by_flask", "werkzeug", "/items/3"),
    ("by_wsgi", "gthread", "/a"),
    ("by_wsgi", "hypercorn_wsgi", "/a"),
    ("by_wsgi", "granian_wsgi", "/a"),
    ("django_wsgi", "wsgiref", "/items/3"),
    ("by_pyramid", "waitress", "/items/3"),
    ("by_bottle", "cheroot", "/items/3"),
    ("by_asgi", "uvicorn", "/a"),
    ("by_asgi", "uvicorn_workers", "/a"),
    ("by_fastapi", "gunicorn_uvicorn", "/items/3"),
    ("by_fastapi", "gunicorn_asgi", "/items/3"),
    ("by_fastapi", "granian", "/items/3"),
    ("by_litestar", "hypercorn", "/items/3"),
    ("django_asgi", "daphne", "/items/3"),
    ("by_aiohttp", "aiohttp", "/items/3"),
    ("by_sanic", "sanic", "/items/3"),
    ("by_tornado", "tornado", "/items/3"),
]


def store_split(directory: Path, app: str, place: str, path: str, owned: str = "store.pricing") -> Split:
    """The services `main` and `pricing` of an app under its server."""
    return Split(
        "grpc" if place in ("gunicorn", "granian", "tornado") else "httpx",
        directory,
        command=SERVERS[place].command(app),
        modules={"main": [], "pricing": [owned]},
        ready=path,
        path=STORE,
        packages=["store"],
        copied=[],
        local_functions=[],
    )


@pytest.fixture(params=WEB, ids=lambda web: f"{web[0]}-{web[1]}")
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Split, str, str]]:
    """The services `main` and `pricing` of an app under its server."""
    app, place, path = request.param
    services = store_split(tmp_path, app, place, path)
    try:
        services.start("main", "pricing")
        yield services, app, path
    finally:
        services.stop()


def test_calls_of_requests_are_answered_by_their_service(store: tuple[Split, str, str]) -> None:
    services, app, path = store
    for _ in range(REQUESTS):
        named = urllib.request.Request(services.url(path), headers={"x-splitcost-request": "GET /named"})
        with urllib.request.urlopen(named, timeout=DEADLINE_SECS) as answer:
            assert answer.status == 200
    caller = "by_django" if app.startswith("django") else app
    # What runs after an answer may not have ended.
    sent = wait_for(lambda: _agreed(services), "an agreement of caller and callee\n" + services.log("main"))
    assert sent[f"store.{caller}", "store.pricing:price"] == REQUESTS, sent


def _agreed(services: Split) -> Counter[tuple[str, str]] | None:
    """The calls that were sent by all requests, once the callee has answered as many."""
    sent: Counter[tuple[str, str]] = Counter()
    answered: Counter[str] = Counter()
    requests = 0
    for report in services.reports("main"):
        assert report["events"] == []
        requests += report["requests"].get("GET /named", 0)
        for call in report["calls"]:
            if call["endpoint"] == "GET /named":
                sent[call["caller"], call["callee"]] += call["answered"]
    for report in services.reports("pricing"):
        assert report["calls"] == []
        for call in report["answered"]:
            if call["endpoint"] == "GET /named":
                answered[call["callee"]] += call["count"]
    assert requests == REQUESTS
    given: Counter[str] = Counter()
    for (_, callee), count in sent.items():
        given[callee] += count
    return sent if given == answered else None


def test_functions_of_an_app_of_flask_have_its_context(tmp_path: Path) -> None:
    services = store_split(tmp_path, "by_flask", "werkzeug", "/items/3", "store.flask_settings")
    try:
        services.start("main", "pricing")
        assert services.get("/rates/3") == {"price": 6}
        ((call,),) = [report["answered"] for report in services.reports("pricing")]
        assert call["callee"] == "store.flask_settings:rate"
    finally:
        services.stop()

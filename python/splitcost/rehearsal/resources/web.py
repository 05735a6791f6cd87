"""Requests of web frameworks: they cross as the values that were read, without what is still to be read.

Code under Flask finds its request, `g` and session by itself. The caller sends them along, and the callee makes a
request context of them (:func:`flask_context`).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from splitcost import codec
from splitcost.codec.kinds import is_found
from splitcost.rehearsal.objects import Names

PROXY, PROXIED, STARLETTE, DJANGO = "flask", "proxied", "starlette request", "django request"
KINDS = frozenset({PROXY, PROXIED, STARLETTE, DJANGO})

_FLASK_NAMES = ("request", "g", "session", "current_app")
_SCOPE = (
    *("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path"),
    *("headers", "client", "server", "path_params", "state", "session", "user", "auth"),
)


def describe(value: Any, names: Names, exchange: codec.Foreign) -> list[Any] | None:
    """Return what stands for a request, or for a proxy."""
    kind = type(value)
    local = sys.modules.get("werkzeug.local")
    if local is not None and kind is local.LocalProxy:
        return _describe_proxy(value, exchange)
    flask = sys.modules.get("flask")
    if flask is not None and isinstance(value, flask.Request) and flask.has_request_context():
        is_current = flask.request._get_current_object() is value
        return [PROXY, "request"] if is_current else None
    starlette = sys.modules.get("starlette.requests")
    if starlette is not None and isinstance(value, starlette.HTTPConnection):
        return _describe_starlette(value, names, exchange)
    django = sys.modules.get("django.http.request")
    if django is not None and isinstance(value, django.HttpRequest):
        return _describe_django(value, exchange)
    return None


def make(content: list[Any], names: Names, exchange: codec.Foreign) -> Any:
    """Return the callee's own request, or what a proxy stood for."""
    match content:
        case ["flask", name] if name in _FLASK_NAMES:
            return getattr(sys.modules["flask"], name)
        case ["flask", "current_user"] if "flask_login" in sys.modules:
            return sys.modules["flask_login"].current_user
        case ["proxied", text]:
            return _decoded(text, exchange)
        case ["starlette request", kind, text, app]:
            return _make_starlette(kind, _decoded(text, exchange), app, names)
        case ["django request", text]:
            return _make_django(_decoded(text, exchange))
    raise codec.DecodeError("a request is malformed")


def _decoded(text: str, exchange: codec.Foreign) -> Any:
    return codec.decode(text.encode(), exchange)


def _encoded(value: Any, exchange: codec.Foreign) -> str:
    return codec.encode(value, exchange).decode()


def _plain(values: dict[str, Any], exchange: codec.Foreign | None) -> dict[str, Any]:
    """The values that can cross."""
    found = {}
    for name, value in values.items():
        with contextlib.suppress(codec.CannotCross):
            codec.encode(value, exchange)
            found[name] = value
    return found


def _describe_proxy(value: Any, exchange: codec.Foreign) -> list[Any] | None:
    flask = sys.modules.get("flask")
    for name in _FLASK_NAMES:
        if flask is not None and value is getattr(flask, name):
            return [PROXY, name]
    try:
        stands_for = value._get_current_object()
    except RuntimeError:  # For nothing, outside a request.
        return None
    try:
        return [PROXIED, _encoded(stands_for, exchange)]
    except codec.CannotCross:
        login = sys.modules.get("flask_login")
        if login is not None and value is login.current_user:
            return [PROXY, "current_user"]
        raise


# --- Starlette and FastAPI


def _describe_starlette(value: Any, names: Names, exchange: codec.Foreign) -> list[Any]:
    scope = {name: value.scope[name] for name in _SCOPE if name in value.scope}
    if "state" in scope:
        state = scope["state"]
        scope["state"] = _plain(dict(getattr(state, "_state", state)), exchange)
    described = {"scope": _plain(scope, exchange), "body": getattr(value, "_body", None)}
    app = names.find_name(value.scope["app"]) if "app" in value.scope else None
    kind = next(base for base in type(value).__mro__ if is_found(base))
    return [STARLETTE, codec.name_of(kind), _encoded(described, exchange), app]


def _make_starlette(name: str, described: dict[str, Any], app: str | None, names: Names) -> Any:
    from starlette.requests import HTTPConnection, Request

    kind = codec.resolve(name)
    if not issubclass(kind, HTTPConnection):
        raise codec.DecodeError(f"{name} is not a request")
    scope, body = described["scope"], described["body"]
    if app is not None:
        scope["app"] = names.find(app)
    if not issubclass(kind, Request):
        return kind(scope)

    async def receive() -> Any:
        if body is None:
            raise RuntimeError("the body of this request was not read before the call to another service")
        return {"type": "http.request", "body": body, "more_body": False}

    request = kind(scope, receive)
    if body is not None:
        request._body = body
    return request


# --- Django


def _describe_django(value: Any, exchange: codec.Foreign) -> list[Any]:
    body = value.__dict__.get("_body")
    is_read = body is None and value.__dict__.get("_post") is not None
    if is_read:
        body = value._post.urlencode().encode()
    described: dict[str, Any] = {
        "meta": {name: item for name, item in value.META.items() if type(item) is str},
        "body": body,
        "is_form": is_read,
        "fields": _plain(_fields_of(value), exchange),
    }
    user = value.__dict__.get("_cached_user")
    if user is not None:
        described |= _plain({"user": user}, exchange)
    session = getattr(value, "session", None)
    if session is not None:
        described["session_key"] = session.session_key
        if hasattr(session, "_session_cache"):
            described |= _plain({"session": dict(session._session_cache)}, exchange)
    return [DJANGO, _encoded(described, exchange)]


def _fields_of(request: Any) -> dict[str, Any]:
    """The attributes that middleware and views put on a request."""
    own = ("environ", "META", "GET", "POST", "COOKIES", "FILES", "session", "user", "resolver_match", "scope")
    return {
        name: value
        for name, value in request.__dict__.items()
        if not name.startswith("_") and name not in own and not callable(value)
    }


def _make_django(described: dict[str, Any]) -> Any:
    body = described["body"] or b""
    environ = described["meta"] | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ.setdefault("REQUEST_METHOD", "GET")
    if described["is_form"]:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    request: Any = importlib.import_module("django.core.handlers.wsgi").WSGIRequest(environ)
    for name, value in described["fields"].items():
        with contextlib.suppress(AttributeError):
            setattr(request, name, value)
    if "session_key" in described:
        engine = importlib.import_module("django.conf").settings.SESSION_ENGINE
        request.session = importlib.import_module(engine).SessionStore(described["session_key"])
        if "session" in described:
            request.session._session_cache = described["session"]
    if "user" in described:
        request._cached_user = request.user = described["user"]
    elif "session_key" in described:
        auth = importlib.import_module("django.contrib.auth")
        lazy = importlib.import_module("django.utils.functional").SimpleLazyObject
        request.user = lazy(lambda: auth.get_user(request))
    return request


# --- Flask


def describe_flask(exchange: codec.Foreign) -> dict[str, Any] | None:
    """Return the request, `g` and session of the running context of Flask, if there is one."""
    flask: Any = sys.modules["flask"]
    if not flask.has_request_context():
        return None
    request = flask.request._get_current_object()
    described: dict[str, Any] = {
        "environ": {name: item for name, item in request.environ.items() if type(item) in (str, int, bool)},
        "g": _plain(dict(vars(flask.g._get_current_object())), exchange),
        "session": None,
        "body": getattr(request, "_cached_data", None),
        "is_form": False,
    }
    if described["body"] is None and "form" in request.__dict__:
        described |= {"body": urlencode(list(request.form.items(multi=True))).encode(), "is_form": True}
    session = flask.session._get_current_object()
    if session is not None and getattr(session, "modified", False):
        described["session"] = _plain(dict(session), exchange)
    return described


@contextlib.contextmanager
def flask_context(app: Any, described: dict[str, Any] | None) -> Iterator[None]:
    """Make the context that functions of an app of Flask's expect, with the caller's request if it had one."""
    if described is None:
        with app.app_context():
            yield
        return
    from flask import g, session

    body = described["body"] or b""
    environ = described["environ"] | {
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "CONTENT_LENGTH": str(len(body)),
    }
    if described["is_form"]:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    with app.request_context(environ):
        for name, value in described["g"].items():
            setattr(g, name, value)
        if described["session"] is not None:
            session.clear()
            session.update(described["session"])
        yield

"""Requests: where they begin and end, and what the framework says about the one that runs.

Read :class:`Watcher` first, whom requests are for, then :class:`Request`, then :func:`found`, by which frameworks
name route and handler. The other functions begin requests: :func:`asgi` and :func:`wsgi` wrap the app that a server
is given, :func:`follow` is for servers and runners with coroutines of their own, :func:`run_job` for those without.

A WebSocket connection is one request, from its handshake to its end: the messages that it handles are parts of it,
and it waits between them.
"""

from __future__ import annotations

import contextvars
import types
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from splitcost import _native
from splitcost._guard import attempt
from splitcost.gateways.handler import function_id

__all__ = [
    "MOST_ROUTES",
    "Request",
    "Watcher",
    "asgi",
    "asgi_request",
    "begin_test",
    "end_test",
    "endpoint_header",
    "follow",
    "follow_job",
    "found",
    "handled",
    "is_inside",
    "mounted",
    "routed",
    "run_asgi",
    "run_job",
    "watch",
    "wsgi",
]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
_R = TypeVar("_R")

#: Chosen: no app has as many; bounds what is remembered of them.
MOST_ROUTES = 10_000

#: Stands for the method of a WebSocket's handshake.
_WEBSOCKET = "WebSocket"

#: Set in the scope of a request that has its root call.
_MARK = "splitcost.request"

#: The request that runs.
_CURRENT: contextvars.ContextVar[Request | None] = contextvars.ContextVar("splitcost_request", default=None)

#: A test is a request; the requests that it sends to the app in this process belong to it.
_testing = False


class Watcher(Protocol):
    """Whoever follows the requests of this process: the recorder, or a service of a rehearsal."""

    #: Says on whose behalf code runs.
    context: contextvars.ContextVar[Any]
    #: The header by which a load generator names the endpoint of a request; `None` where none runs.
    endpoint_header: str | None
    #: Return true while requests are followed.
    is_on: Callable[[], bool]

    def open(self) -> None:
        """Get ready: a server of this process is about to take requests, in the loop that runs if one does."""

    def own(self, app: Any) -> Any:
        """Return the app that a server is to call where it was given ``app``."""

    def follow_root(self, code: types.CodeType, name: str) -> None:
        """Make each call of the coroutine function with this code the root call of a request."""

    def begin(self, request: Request) -> Any:
        """Begin a request in the coroutine that runs; the result is the context's value, `None` for no request."""

    def begin_plain(self, request: Request, name: str) -> Any:
        """Begin a request on this thread with a root call of this name; the result is as above."""

    def end(self, request: Request, status: int, error: BaseException | None) -> None:
        """End a request that began."""


#: Set once, before the app's first import.
_watcher: Watcher


def watch(watcher: Watcher) -> None:
    """Tell ``watcher`` of all requests."""
    global _watcher
    _watcher = watcher


def endpoint_header() -> str | None:
    """Return the header by which a load generator names the endpoint of a request; `None` where none runs."""
    return _watcher.endpoint_header


class Request:
    """Our side of one request."""

    def __init__(self, server: str, endpoint: str | None = None, app: Any = None) -> None:
        self.server = server
        #: Where it is known from the start.
        self.endpoint = endpoint
        #: The app that the server was given: it handles the request where no framework is found.
        self.app = app
        self.handler: int | None = None
        self.is_command = False
        self.is_found = False
        self.method = ""
        self.path = ""
        self.prefix = ""
        self.route: str | None = None
        self.status = 0
        self.open: Any = None
        self.tokens: tuple[contextvars.Token[Any], contextvars.Token[Any]] | None = None

    def http(self, method: str, path: str) -> Request:
        """Note method and path, by which the endpoint is named."""
        self.method, self.path = method, path
        return self

    def begin(self) -> None:
        """Begin in the coroutine that runs."""
        self._enter(_watcher.begin(self))

    def begin_plain(self, name: str) -> Request | None:
        """Begin on this thread, with a root call of this name; `None` if the request is not followed."""
        self.open = _watcher.begin_plain(self, f"({name})")
        if self.open is None:
            return None
        self._enter(self.open)
        return self

    def _enter(self, origin: Any) -> None:
        if origin is not None:
            self.tokens = (_watcher.context.set(origin), _CURRENT.set(self))

    def end(self, error: BaseException | None) -> None:
        """End, as the last step of the coroutine or on the thread that began."""
        if self.tokens is None:
            return
        # The app may have said anything.
        is_number = issubclass(type(self.status), int) and 0 <= self.status < 1000
        status = self.status if is_number and self.status else 500 if error is not None and self.method else 0
        _watcher.end(self, status, error)
        origin, current = self.tokens
        self.tokens = None
        try:
            _watcher.context.reset(origin)
            _CURRENT.reset(current)
        except ValueError:  # It ended in another context than it began in, which nobody uses any more.
            pass

    def name(self) -> str:
        """Return the name of the endpoint; empty if it turned out to be no request."""
        if self.endpoint is not None:
            return self.endpoint
        if not self.method:
            return self.route or ""
        # Anybody may send any word for a method.
        method, _, path = _native.request_name(self.method, self.path).partition(" ")
        method = _WEBSOCKET if self.method == _WEBSOCKET else method
        return f"{method} {path if self.route is None else self.prefix + self.route}"


def found(route: str | None, handler: Any, verb: str = "") -> None:
    """Note the route and the handler that a framework chose for the request that runs.

    The innermost framework is the last to choose. ``verb`` selects the method of a class; by default it is the
    request's method.
    """
    request = _CURRENT.get()
    if request is not None:
        request.is_found = True
        request.route = route
        request.handler = function_id(handler, verb or request.method)


def routed(route: str | None) -> None:
    """Note the route of the request that runs, where no handler of it is known."""
    request = _CURRENT.get()
    if request is not None and not request.is_found:
        request.route = route


def handled(handler: Any) -> None:
    """Note the handler that a library chose for the request that runs, below the framework that found the route."""
    request = _CURRENT.get()
    if request is not None:
        request.handler = function_id(handler)


def mounted(prefix: str) -> None:
    """Note that the routes of the request that runs are below this one."""
    request = _CURRENT.get()
    if request is not None:
        request.prefix += prefix


def is_inside(is_command: bool = False) -> bool:
    """Return true where something that could be a request belongs to one, or to nothing that is recorded.

    A command may run what takes requests; only another command belongs to it.
    """
    current = _CURRENT.get()
    is_in_request = current is not None and current.tokens is not None
    if current is not None and current.is_command and not is_command:
        is_in_request = False
    return _testing or not _watcher.is_on() or is_in_request


# --- coroutines ----------------------------------------------------------------------------------------

_roots: dict[str, Callable[..., Awaitable[Any]]] = {}


async def _root(request: Request, call: Callable[[], Awaitable[_R]]) -> _R:
    attempt(request.begin)
    try:
        result = await call()
    except BaseException as error:
        attempt(request.end, error)
        raise
    attempt(request.end, None)
    return result


def _root_named(name: str) -> Callable[..., Awaitable[Any]]:
    """Return a coroutine function each call of which is the root call ``name`` of a request."""
    root = _roots.get(name)
    if root is None:
        root = types.FunctionType(_root.__code__.replace(co_name=name, co_qualname=name), globals(), name)
        _roots[name] = root
        attempt(_watcher.follow_root, root.__code__, f"({name})")
    return root


def follow(name: str, request: Request, call: Callable[[], Awaitable[_R]]) -> Awaitable[_R]:
    """Return the coroutine that runs ``call`` as a request with the root call ``name``."""
    return _root_named(name)(request, call)


def asgi(app: Asgi, server: str) -> Asgi:
    """Return the ASGI app with its requests followed, for a server to run; ours has none."""
    if type(app).__module__.startswith("splitcost."):
        return app
    app = _watcher.own(app)

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        request = attempt(asgi_request, server, app, scope)
        if request is not None:
            await run_asgi(request, app, scope, receive, send)
            return
        is_lifespan = scope["type"] == "lifespan"
        if is_lifespan:
            attempt(_watcher.open)
        await app(scope, receive, send)
        if is_lifespan:  # The server ends by a signal: nothing runs after this.
            attempt(_native.flush)

    return entry


def asgi_request(server: str, app: Any, scope: Scope) -> Request | None:
    """Return the request of an ASGI scope; `None` where it has begun already, and for other scopes."""
    kind = scope["type"]
    if kind not in ("http", "websocket") or _MARK in scope or _testing or not _watcher.is_on():
        return None
    scope[_MARK] = True
    request = Request(server, _endpoint_in(scope["headers"]), app)
    return request.http(scope["method"] if kind == "http" else _WEBSOCKET, scope["path"])


def _endpoint_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    if _watcher.endpoint_header is not None:
        header = _watcher.endpoint_header.encode("latin-1")
        for name, value in headers:
            if name == header:
                return value.decode("latin-1")
    return None


def run_asgi(request: Request, app: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Return the coroutine that runs ``app`` as a request."""

    def noting_send(message: Any) -> Awaitable[None]:
        # The message is the app's: what it finds wrong with it is the server's to say.
        if type(message) is dict:
            kind = message.get("type")
            if kind == "http.response.start":
                request.status = message.get("status", 0)
            elif kind == "websocket.accept":
                request.status = 101
        return send(message)

    return follow("asgi", request, lambda: app(scope, receive, noting_send))


# --- threads -------------------------------------------------------------------------------------------


class _Wsgi:
    """A WSGI app with its requests followed."""

    def __init__(self, app: Any, server: str) -> None:
        self.app = _watcher.own(app)
        self.server = server
        attempt(_watcher.open)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        request: Request | None = attempt(_begin_wsgi, self, environ)
        if request is None:
            return self.app(environ, start_response)

        def noting_start_response(status: str, *arguments: Any, **options: Any) -> Any:
            attempt(_note_status, request, status)
            return start_response(status, *arguments, **options)

        try:
            body = self.app(environ, noting_start_response)
        except BaseException as error:
            attempt(request.end, error)
            raise
        wrapped = attempt(_wrap_body, request, body, environ)
        return body if wrapped is None else wrapped


def wsgi(app: Any, server: str) -> Any:
    """Return the WSGI app with its requests followed, for a server to run."""
    return app if isinstance(app, _Wsgi) else _Wsgi(app, server)


def _begin_wsgi(entry: _Wsgi, environ: dict[str, Any]) -> Request | None:
    if _testing:
        return None
    header = _watcher.endpoint_header
    named = environ.get("HTTP_" + header.upper().replace("-", "_")) if header else None
    request = Request(entry.server, named, entry.app)
    request.http(environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    return request.begin_plain("wsgi")


def _note_status(request: Request, status: str) -> None:
    code = status[:3]
    request.status = int(code) if code.isascii() and code.isdigit() else 0


def _wrap_body(request: Request, body: Any, environ: dict[str, Any]) -> Any:
    """Return the body that ends its request when it is closed; `None` for one that runs no code of the app.

    Servers look at the types of the latter, and at their lengths.
    """
    kind = type(body)
    if kind in (list, tuple) or kind is environ.get("wsgi.file_wrapper"):
        request.end(None)
        return None
    has_length = any("__len__" in type.__getattribute__(base, "__dict__") for base in kind.__mro__)
    return (_SizedBody if has_length else _Body)(request, body)


class _Body:
    """The body of an answer, which ends its request when it is closed."""

    def __init__(self, request: Request, body: Iterable[bytes]) -> None:
        self.request = request
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        """Close the body of the app, where it can be closed."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            attempt(self.request.end, error)
            raise
        attempt(self.request.end, None)


class _SizedBody(_Body):
    def __len__(self) -> int:
        return len(self.body)  # type: ignore[arg-type]


# --- jobs and commands ---------------------------------------------------------------------------------


def run_job(
    server: str, name: str, handler: Callable[[], Any], call: Callable[[], _R], is_command: bool = False
) -> _R:
    """Return the result of ``call``, run as the job or command ``name``, unless it is a part of a request.

    ``handler`` returns what the runner has chosen, once ``call`` has ended: until then it may not be imported.
    """
    if attempt(is_inside, is_command) is not False:
        return call()
    request = Request(server, name)
    request.is_command = is_command
    begun = attempt(request.begin_plain, "command" if is_command else "job")
    if begun is None:
        return call()
    try:
        result = call()
    except BaseException as error:
        attempt(_end_job, begun, handler, error)
        raise
    attempt(_end_job, begun, handler, None)
    return result


def _end_job(request: Request, handler: Callable[[], Any], error: BaseException | None) -> None:
    try:
        chosen = handler()
    except Exception:  # There is no such function: the job has failed for it.
        chosen = None
    request.handler = function_id(chosen)
    request.end(error)


async def follow_job(
    server: str, name: str, handler: Callable[[], Any], call: Callable[[], Awaitable[_R]]
) -> _R:
    """Await ``call`` as the job ``name``, unless it is a part of a request."""
    if attempt(is_inside) is not False:
        return await call()
    request = Request(server, name)
    request.handler = attempt(lambda: function_id(handler()))
    result: _R = await follow("job", request, call)
    return result


# --- tests ---------------------------------------------------------------------------------------------


def begin_test(name: str) -> Request | None:
    """Begin a request for the test ``name`` on this thread; :func:`end_test` takes the result."""
    return attempt(_begin_test, name)


def _begin_test(name: str) -> Request | None:
    global _testing
    _testing = True
    return Request("pytest", _native.test_name(name)).begin_plain("test")


def end_test(request: Request | None, exception: BaseException | None) -> None:
    """End the request that :func:`begin_test` began."""
    global _testing
    _testing = False
    if request is not None:
        attempt(request.end, exception)

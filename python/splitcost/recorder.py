"""The Python half of the recorder: starts the native half, and follows requests into tasks and threads.

Read :func:`attempt`, the guard around each step of the recorder, then :func:`start`, then :func:`serve`, the
root call of every request, then the hooks below it. Each hook is put on when the app imports the library
that it changes; no library is imported for it.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from splitcost import _hooks, _native
from splitcost.databases import HOOKS

__all__ = ["CONTEXT", "attempt", "serve", "start"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
_P = ParamSpec("_P")
_R = TypeVar("_R")

#: The origin on whose behalf this context runs: an opaque value of the native half.
CONTEXT: contextvars.ContextVar[Any] = contextvars.ContextVar("splitcost", default=None)

#: Set in the scope of a request that has its root call.
_MARK = "splitcost.request"

#: The header by which a load generator names the endpoint of a request; `None` where none runs.
_endpoint_header: bytes | None = None

#: A test is a request; the requests that it sends to the app in this process belong to it.
_testing = False


def attempt(step: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R | None:
    """Run one step of the recorder, and return its result.

    Whatever goes wrong in it switches the recorder off, once, and never reaches the app; the result is then
    `None`. A step must not call the app.
    """
    try:
        return step(*args, **kwargs)
    except (KeyboardInterrupt, SystemExit):
        raise  # The app's, by way of a signal.
    except BaseException as error:  # A panic of the native half is not an `Exception`.
        # The message of an exception may hold a value of the app's: only its type is written.
        _switch_off(f"an unexpected {type(error).__name__} in {getattr(step, '__name__', 'a step')}")
        return None


def _switch_off(reason: str) -> None:
    try:
        _native.switch_off(reason)
    except Exception as error:
        print(f"splitcost: cannot switch the recorder off: {type(error).__name__}", file=sys.stderr)


def start() -> None:
    """Start recording as the environment says.

    ``SPLITCOST_LOG_DIR`` is the directory of the logs; ``SPLITCOST_PACKAGES`` and ``SPLITCOST_MODULES`` are
    the code to record; ``SPLITCOST_ENDPOINT_HEADER`` is the header by which a load generator names endpoints.

    Raises :class:`ValueError` where the environment is incomplete.
    """
    global _endpoint_header
    directory = os.environ.get("SPLITCOST_LOG_DIR")
    packages = _names("SPLITCOST_PACKAGES")
    modules = _names("SPLITCOST_MODULES")
    if not directory or not (packages or modules):
        raise ValueError("SPLITCOST_LOG_DIR and SPLITCOST_PACKAGES must both be set")
    header = os.environ.get("SPLITCOST_ENDPOINT_HEADER")
    _endpoint_header = header.lower().encode("latin-1") if header else None
    if sys.version_info < (3, 12):
        message = "splitcost: Python 3.11 is recorded in slow mode; 3.12 or later has true timings"
        print(message, file=sys.stderr)
    _native.start(directory, packages, modules, CONTEXT)
    attempt(_follow)


def _follow() -> None:
    """Put on every hook."""
    _native.register_root(serve.__code__)
    os.register_at_fork(
        before=lambda: attempt(_native.before_fork),
        after_in_parent=lambda: attempt(_native.after_fork_in_parent),
        after_in_child=lambda: attempt(_native.after_fork_in_child),
    )
    import atexit

    atexit.register(lambda: attempt(_native.finish))
    _hooks.install(
        {
            "uvicorn.config": _hook_uvicorn,
            "starlette.applications": _hook_starlette,
            "asyncio.base_events": _hook_asyncio,
            "uvloop": _hook_uvloop,
            "concurrent.futures.thread": _hook_thread_pool,
            "anyio.to_thread": _hook_anyio,
            "multiprocessing.process": _hook_multiprocessing,
            **HOOKS,
        },
        attempt,
    )


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


# --- requests ------------------------------------------------------------------------------------------


class _Request:
    """The recorder's side of one request of an ASGI app."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.status = 0
        self.endpoint = self._named_endpoint()
        self.token: contextvars.Token[Any] | None = None
        origin = _native.root(self.endpoint)
        scope[_MARK] = True
        if origin is not None:
            self.token = CONTEXT.set(origin)

    def _named_endpoint(self) -> str | None:
        if _endpoint_header is None:
            return None
        values = (value for name, value in self.scope["headers"] if name == _endpoint_header)
        named: bytes | None = next(values, None)
        return named.decode("latin-1") if named is not None else None

    def note(self, message: Any) -> None:
        """Read the status off a message of the app."""
        if message["type"] == "http.response.start":
            self.status = message["status"]

    def end(self, has_raised: bool) -> None:
        """Name the endpoint, now that the framework has found the route."""
        if self.token is None:
            return
        status = self.status or (500 if has_raised else 0)
        _native.root_done(self.endpoint or _endpoint_of(self.scope), status)
        try:
            CONTEXT.reset(self.token)
        except ValueError:  # It ended in another context than it began in, which nobody uses any more.
            pass


async def serve(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Run one HTTP request of an ASGI app. Each call of this coroutine is the root call of a request."""
    request = attempt(_Request, scope)
    if request is None:
        await app(scope, receive, send)
        return

    def noting_send(message: Any) -> Awaitable[None]:
        attempt(request.note, message)
        return send(message)

    try:
        await app(scope, receive, noting_send)
    except BaseException:
        attempt(request.end, True)
        raise
    attempt(request.end, False)


def _endpoint_of(scope: Scope) -> str:
    """Return ``METHOD /route/{template}`` where there is a route, else the path without its values."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return f"{_native.request_name(scope['method'], '/').split()[0]} {path}"
    return _native.request_name(scope["method"], scope["path"])


def _is_request(scope: Scope) -> bool:
    return scope["type"] == "http" and _MARK not in scope and not _testing and _native.is_on()


def _hook_uvicorn(module: ModuleType) -> None:
    original = module.Config.load

    @functools.wraps(original)
    def load(self: Any) -> None:
        original(self)
        attempt(_wrap_app, self)

    module.Config.load = load


def _wrap_app(config: Any) -> None:
    app = config.loaded_app

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        if attempt(_is_request, scope):
            await serve(app, scope, receive, send)
            return
        await app(scope, receive, send)
        if scope["type"] == "lifespan":  # The server ends by a signal: nothing runs after this.
            attempt(_native.flush)

    config.loaded_app = entry


def _hook_starlette(module: ModuleType) -> None:
    original = module.Starlette.__call__

    @functools.wraps(original)
    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if attempt(_is_request, scope):
            await serve(functools.partial(original, self), scope, receive, send)
        else:
            await original(self, scope, receive, send)

    module.Starlette.__call__ = call


# --- tasks ---------------------------------------------------------------------------------------------


def _hook_asyncio(module: ModuleType) -> None:
    _hook_loop(module.BaseEventLoop)


def _hook_uvloop(module: ModuleType) -> None:
    _hook_loop(module.Loop)


def _hook_loop(loop_class: Any) -> None:
    original = loop_class.run_forever

    @functools.wraps(original)
    def run_forever(self: Any) -> Any:
        attempt(_follow_tasks, self)
        depth = attempt(_native.push_loop)
        try:
            return original(self)
        finally:
            if depth is not None:
                attempt(_native.pop_loop, depth)

    loop_class.run_forever = run_forever


class _TaskFactory:
    """Makes tasks that know the call that created them, by way of another factory if there was one."""

    def __init__(self, other: Any) -> None:
        self.other = other

    def __call__(self, loop: Any, coro: Coroutine[Any, Any, Any], **options: Any) -> Any:
        token = attempt(_hand_on, options.get("context"))
        try:
            if self.other is not None:
                return self.other(loop, coro, **options)
            return _new_task(coro, loop=loop, **options)
        finally:
            if token is not None:
                attempt(CONTEXT.reset, token)


def _hand_on(context: contextvars.Context | None) -> contextvars.Token[Any] | None:
    """Set the running call in the context that a new task gets.

    Without a context of its own, a task gets a copy of the running one; the token undoes the change there.
    """
    origin = _native.current()
    if origin is None:
        return None
    if context is None:
        return CONTEXT.set(origin)
    try:
        context.run(CONTEXT.set, origin)
    except RuntimeError:  # The context runs already: what it holds is as good.
        pass
    return None


def _new_task(*args: Any, **options: Any) -> Any:
    return sys.modules["asyncio"].Task(*args, **options)


def _follow_tasks(loop: Any) -> None:
    other = loop.get_task_factory()
    if not isinstance(other, _TaskFactory):
        loop.set_task_factory(_TaskFactory(other))


# --- threads -------------------------------------------------------------------------------------------


def _handed(function: Any) -> Any:
    handed = attempt(_native.handed, function)
    # Not `or`: an object that can be called may be false.
    return function if handed is None else handed


def _hook_thread_pool(module: ModuleType) -> None:
    original = module.ThreadPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(self, _handed(fn), *args, **kwargs)

    module.ThreadPoolExecutor.submit = submit


def _hook_anyio(module: Any) -> None:
    original = module.run_sync

    @functools.wraps(original)
    async def run_sync(func: Any, *args: Any, **options: Any) -> Any:
        return await original(_handed(func), *args, **options)

    module.run_sync = run_sync


# --- processes -----------------------------------------------------------------------------------------


def _hook_multiprocessing(module: ModuleType) -> None:
    original = module.BaseProcess._bootstrap

    @functools.wraps(original)
    def bootstrap(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return original(self, *args, **options)
        finally:  # A forked process ends without running what `atexit` holds.
            attempt(_native.flush)

    module.BaseProcess._bootstrap = bootstrap


# --- tests ---------------------------------------------------------------------------------------------


def _test() -> None:
    """Its code stands for the root call of a test; it is never run."""


def begin_test(name: str) -> contextvars.Token[Any] | None:
    """Begin a request for the test ``name`` on this thread; :func:`end_test` takes the result."""
    return attempt(_begin_test, name)


def _begin_test(name: str) -> contextvars.Token[Any]:
    global _testing
    _testing = True
    return CONTEXT.set(_native.begin_test(name, _test.__code__))


def end_test(token: contextvars.Token[Any] | None, exception: BaseException | None) -> None:
    """End the request that :func:`begin_test` began."""
    if token is not None:
        attempt(_end_test, token, exception)


def _end_test(token: contextvars.Token[Any], exception: BaseException | None) -> None:
    global _testing
    _testing = False
    CONTEXT.reset(token)
    _native.end_test(exception)

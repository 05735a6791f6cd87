"""The Python half of the recorder: starts the native half, and follows requests into tasks and threads.

Read :func:`start`, then :func:`serve`, the root call of every request, then the hooks below it. Each hook is
put on when the library it changes is imported by the app; none is imported for it.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from splitcost import _hooks, _native

__all__ = ["CONTEXT", "serve", "start"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

#: On whose behalf this context runs: an opaque value of the native half.
CONTEXT: contextvars.ContextVar[Any] = contextvars.ContextVar("splitcost", default=None)

#: The load generator says with each request which endpoint it means.
ENDPOINT_HEADER = b"x-splitcost-request"

#: Set in the scope of a request that has its root call.
_MARK = "splitcost.request"

#: A test is a request; what it asks of the app in this process belongs to it.
_testing = False


def start() -> None:
    """Start recording as the environment says; see ``SPLITCOST_LOG_DIR`` and ``SPLITCOST_PACKAGES``.

    Raises :class:`ValueError` where the environment is incomplete.
    """
    directory = os.environ.get("SPLITCOST_LOG_DIR")
    packages = _names("SPLITCOST_PACKAGES")
    modules = _names("SPLITCOST_MODULES")
    if not directory or not (packages or modules):
        raise ValueError("SPLITCOST_LOG_DIR and SPLITCOST_PACKAGES must both be set")
    if sys.version_info < (3, 12):
        message = "splitcost: Python 3.11 is recorded in slow mode; 3.12 or later has true timings"
        print(message, file=sys.stderr)
    _native.start(directory, packages, modules, CONTEXT)
    _native.register_root(serve.__code__)
    os.register_at_fork(
        before=_native.before_fork,
        after_in_parent=_native.after_fork_in_parent,
        after_in_child=_native.after_fork_in_child,
    )
    import atexit

    atexit.register(_native.finish)
    _hooks.install(
        {
            "uvicorn.config": _hook_uvicorn,
            "starlette.applications": _hook_starlette,
            "asyncio.base_events": _hook_asyncio,
            "uvloop": _hook_uvloop,
            "concurrent.futures.thread": _hook_thread_pool,
            "anyio.to_thread": _hook_anyio,
        }
    )


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


# --- requests ------------------------------------------------------------------------------------------


async def serve(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Run one HTTP request of an ASGI app. Each call of this coroutine is the root call of a request."""
    named = next((value for name, value in scope["headers"] if name == ENDPOINT_HEADER), None)
    endpoint = named.decode("latin-1") if named is not None else None
    origin = _native.root(endpoint)
    scope[_MARK] = True
    if origin is None:
        await app(scope, receive, send)
        return
    token = CONTEXT.set(origin)
    status = 0

    def noting_send(message: Any) -> Awaitable[None]:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        return send(message)

    try:
        await app(scope, receive, noting_send)
    except BaseException:
        status = status or 500
        raise
    finally:
        _native.root_done(endpoint or _endpoint_of(scope), status)
        try:
            CONTEXT.reset(token)
        except ValueError:  # Ended in another context than it began in; that one is as good as gone.
            pass


def _endpoint_of(scope: Scope) -> str:
    """``METHOD /route/{template}`` where the framework left a route, else ``METHOD path``."""
    path = getattr(scope.get("route"), "path", None)
    return f"{scope['method']} {path if isinstance(path, str) else scope['path']}"


def _is_request(scope: Scope) -> bool:
    return scope["type"] == "http" and _MARK not in scope and not _testing and _native.is_on()


def _hook_uvicorn(module: Any) -> None:
    original = module.Config.load

    @functools.wraps(original)
    def load(self: Any) -> None:
        original(self)
        app = self.loaded_app

        async def entry(scope: Scope, receive: Receive, send: Send) -> None:
            if _is_request(scope):
                await serve(app, scope, receive, send)
            else:
                await app(scope, receive, send)
                if scope["type"] == "lifespan":  # The server ends by a signal: nothing runs after this.
                    _native.flush()

        self.loaded_app = entry

    module.Config.load = load


def _hook_starlette(module: Any) -> None:
    original = module.Starlette.__call__

    @functools.wraps(original)
    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_request(scope):
            await serve(functools.partial(original, self), scope, receive, send)
        else:
            await original(self, scope, receive, send)

    module.Starlette.__call__ = call


# --- tasks ---------------------------------------------------------------------------------------------


def _hook_asyncio(module: Any) -> None:
    _hook_loop(module.BaseEventLoop)


def _hook_uvloop(module: Any) -> None:
    _hook_loop(module.Loop)


def _hook_loop(loop_class: Any) -> None:
    original = loop_class.run_forever

    @functools.wraps(original)
    def run_forever(self: Any) -> Any:
        _follow_tasks(self)
        depth = _native.push_loop()
        try:
            return original(self)
        finally:
            _native.pop_loop(depth)

    loop_class.run_forever = run_forever


class _TaskFactory:
    """Makes tasks that know the call that created them, by way of another factory if there was one."""

    def __init__(self, other: Any) -> None:
        self.other = other

    def __call__(self, loop: Any, coro: Any, *, context: Any = None, **options: Any) -> Any:
        origin = _native.current()
        if origin is not None:
            context = contextvars.copy_context() if context is None else context
            context.run(CONTEXT.set, origin)
        if context is not None:
            options["context"] = context
        if self.other is not None:
            return self.other(loop, coro, **options)
        return _task(coro, loop=loop, **options)


def _task(*args: Any, **options: Any) -> Any:
    return sys.modules["asyncio"].Task(*args, **options)


def _follow_tasks(loop: Any) -> None:
    other = loop.get_task_factory()
    if not isinstance(other, _TaskFactory):
        loop.set_task_factory(_TaskFactory(other))


# --- threads -------------------------------------------------------------------------------------------


def _hook_thread_pool(module: Any) -> None:
    original = module.ThreadPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(self, _native.handed(fn), *args, **kwargs)

    module.ThreadPoolExecutor.submit = submit


def _hook_anyio(module: Any) -> None:
    original = module.run_sync

    @functools.wraps(original)
    async def run_sync(func: Any, *args: Any, **options: Any) -> Any:
        return await original(_native.handed(func), *args, **options)

    module.run_sync = run_sync


# --- tests ---------------------------------------------------------------------------------------------


def _test() -> None:
    """Its code stands for the root call of a test; it is never run."""


def begin_test(name: str) -> contextvars.Token[Any]:
    """Begin a request named ``name`` on this thread; to be ended by :func:`end_test`."""
    global _testing
    _testing = True
    return CONTEXT.set(_native.begin_test(name, _test.__code__))


def end_test(token: contextvars.Token[Any], exception: BaseException | None) -> None:
    """End the request that :func:`begin_test` began."""
    global _testing
    _testing = False
    CONTEXT.reset(token)
    _native.end_test(exception)

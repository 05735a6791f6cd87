"""The Python half of the recorder: starts the native half, and follows requests into tasks and threads.

Read :func:`start`, then the hooks below it. Each hook is put on when the app imports the library that it changes; no
library is imported for it. Requests begin and end in :mod:`splitcost.gateways`, which tells :class:`Watcher`.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from splitcost import _guard, _hooks, _native, _places
from splitcost._guard import attempt
from splitcost._hooks import awaited
from splitcost.databases import HOOKS

if TYPE_CHECKING:
    from splitcost.gateways.request import Request

__all__ = ["CONTEXT", "Watcher", "start"]

#: The origin on whose behalf this context runs: an opaque value of the native half.
CONTEXT: contextvars.ContextVar[Any] = contextvars.ContextVar("splitcost", default=None)


class Watcher:
    """Tells the native half of requests, as :class:`splitcost.gateways.request.Watcher` says."""

    def __init__(self, endpoint_header: str | None, handler_of: Callable[[Any], int | None]) -> None:
        self.context = CONTEXT
        self.endpoint_header = endpoint_header
        self.is_on = _native.is_on
        self._handler_of = handler_of

    def open(self) -> None:
        """Do nothing: servers need nothing of the recorder's before they take requests."""

    def own(self, app: Any) -> Any:
        """Return the app as it is."""
        _places.serve(app)
        return app

    def follow_root(self, code: CodeType, name: str) -> None:
        """Make each call of the coroutine function with this code the root call of a request."""
        _native.register_root(code, name)

    def begin(self, request: Request) -> Any:
        """Begin a request in the coroutine that runs, and return the value of the context."""
        return _native.root(request.server, request.endpoint)

    def begin_plain(self, request: Request, name: str) -> Any:
        """Begin a request on this thread with a root call of this name, and return the value of the context."""
        return _native.begin(name, request.server, request.endpoint, request.is_command)

    def end(self, request: Request, status: int, error: BaseException | None) -> None:
        """End a request, which the app handles itself where no framework has found a handler."""
        if not request.is_found and request.app is not None:
            request.handler = self._handler_of(request.app)
        if request.open is None:
            _native.root_done(request.name(), status, request.handler)
        else:
            _native.end(request.open, request.name(), status, request.handler, error)


def start() -> None:
    """Start recording as the environment says.

    ``SPLITCOST_LOG_DIR`` is the directory of the logs; ``SPLITCOST_PACKAGES`` and ``SPLITCOST_MODULES`` are
    the code to record, ``SPLITCOST_DEPTH`` is the number of parts in the names of its modules;
    ``SPLITCOST_ENTRY_POINTS`` are the functions each call of which is a request, as ``module:name``;
    ``SPLITCOST_ENDPOINT_HEADER`` is the header by which a load generator names endpoints.

    Raises :class:`ValueError` where the environment is incomplete.
    """
    directory = os.environ.get("SPLITCOST_LOG_DIR")
    packages = _names("SPLITCOST_PACKAGES")
    modules = _names("SPLITCOST_MODULES")
    if not directory or not (packages or modules):
        raise ValueError("SPLITCOST_LOG_DIR and SPLITCOST_PACKAGES must both be set")
    _guard.react(_native.switch_off)
    if sys.version_info < (3, 12):
        message = "splitcost: Python 3.11 is recorded in slow mode; 3.12 or later has true timings"
        print(message, file=sys.stderr)
    depth = int(os.environ.get("SPLITCOST_DEPTH") or 0) or None
    _native.start(directory, packages, modules, depth, _names("SPLITCOST_ENTRY_POINTS"), CONTEXT)
    attempt(_follow, os.environ.get("SPLITCOST_ENDPOINT_HEADER", "").lower() or None)


def _follow(endpoint_header: str | None) -> None:
    """Put on every hook."""
    os.register_at_fork(
        before=lambda: attempt(_native.before_fork),
        after_in_parent=lambda: attempt(_native.after_fork_in_parent),
        after_in_child=lambda: attempt(_native.after_fork_in_child),
    )
    import atexit

    from splitcost import gateways
    from splitcost.gateways.handler import handler_of_app

    atexit.register(lambda: attempt(_native.finish))
    attempt(_hook_exit)
    _hooks.install(
        gateways.hooks(Watcher(endpoint_header, handler_of_app), gateways.SERVERS | gateways.FRAMEWORKS)
        | {
            "asyncio.base_events": _hook_asyncio,
            "uvloop": _hook_uvloop,
            "concurrent.futures.thread": _hook_thread_pool,
            "anyio.to_thread": _hook_anyio,
            "greenlet": lambda _: _native.expect_greenlets(),
            **HOOKS,
        },
        attempt,
    )


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


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


def _hook_thread_pool(module: ModuleType) -> None:
    from splitcost.gateways import limits

    original = module.ThreadPoolExecutor.submit
    # The attributes themselves: a class of the app may have a property of this name.
    attributes_of = module._base.Executor.__dict__["__dict__"].__get__
    handed = _native.handed

    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        attributes = attributes_of(self)
        if limits.COUNTED not in attributes:
            attempt(limits.note_executor, attributes)
        return original(self, handed(fn), *args, **kwargs)

    module.ThreadPoolExecutor.submit = submit


def _hook_anyio(module: Any) -> None:
    from splitcost.gateways import limits

    original = module.run_sync

    handed = _native.handed
    calls = 0

    def note_limiter(limiter: Any) -> None:
        limits.note_limiter(module.current_default_thread_limiter() if limiter is None else limiter)

    @awaited
    @functools.wraps(original)
    def run_sync(func: Any, *args: Any, **options: Any) -> Awaitable[Any]:
        nonlocal calls
        calls += 1
        # Limiters are made, and set, when an app starts: it is enough to look more and more rarely.
        if calls & (calls - 1) == 0:
            attempt(note_limiter, options.get("limiter"))
        awaitable: Awaitable[Any] = original(handed(func), *args, **options)
        return awaitable

    module.run_sync = run_sync


# --- processes -----------------------------------------------------------------------------------------


def _hook_exit() -> None:
    """Have the buffer written before a process ends by `os._exit`, as forked processes do."""
    original = os._exit

    @functools.wraps(original)
    def _exit(status: int) -> NoReturn:
        attempt(_native.flush)
        original(status)

    os._exit = _exit

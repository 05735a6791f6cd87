"""The hooks of a rehearsal: on servers, whose requests get a context, and on thread pools, which would lose it."""

from __future__ import annotations

import concurrent.futures.thread
import functools
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any
from urllib.parse import quote

from splitcost import _guard, _hooks, _places, gateways
from splitcost.databases import transactions
from splitcost.gateways.request import Request
from splitcost.rehearsal.context import Context, Site, current, handed_by, new_request
from splitcost.rehearsal.functions import is_stub
from splitcost.rehearsal.resources import web
from splitcost.rehearsal.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Put the hooks on modules that are imported already, and on the others when they are."""
    _guard.react(_give_up)
    hooks = gateways.hooks(Watcher(runtime), gateways.SERVERS)
    follow_uvicorn = hooks["uvicorn.config"]

    def patch_uvicorn(module: ModuleType) -> None:
        _patch_uvicorn(module)
        follow_uvicorn(module)

    own: dict[str, Callable[[ModuleType], None]] = {
        "uvicorn.config": patch_uvicorn,
        "anyio.to_thread": functools.partial(_patch_to_thread, runtime),
    }
    own |= transactions.hooks(runtime.resources.transactions)
    _hooks.install(hooks | own, _guard.attempt)
    _patch_threads(runtime)


def follow_threads(runtime: Runtime) -> None:
    """Put on the hooks on thread pools only, for a process without requests."""
    own = {"anyio.to_thread": functools.partial(_patch_to_thread, runtime)}
    _hooks.install(own | transactions.hooks(runtime.resources.transactions))
    _patch_threads(runtime)


def _give_up(reason: str) -> None:
    """End the process: whatever it went on to do would be measured."""
    print(f"splitcost: the rehearsal cannot go on: {reason}", file=sys.stderr, flush=True)
    os._exit(2)


class Watcher:
    """Gives each request its context, as :class:`splitcost.gateways.request.Watcher` says."""

    def __init__(self, runtime: Runtime) -> None:
        self.context = current
        self.endpoint_header = runtime.config.endpoint_header or None
        self.open = runtime.open
        #: A rehearsal does not end before its processes.
        self.is_on = lambda: True
        self._report = runtime.report
        self._server = runtime.server
        self._held = runtime.live.held
        self._service = runtime.config.service

    def own(self, app: Any) -> Any:
        """Return the app that this process serves, also where a function of another service is one.

        Functions of an app of Flask's expect its context, which any process of the app has.
        """
        app = app.__wrapped__ if is_stub(app) else app
        _places.serve(app)
        if any(base.__module__ == "flask.app" for base in type(app).__mro__):
            self._server.around = functools.partial(web.flask_context, app)
        return app

    def follow_root(self, code: CodeType, name: str) -> None:
        """Do nothing: root calls are the recorder's."""

    def begin(self, request: Request) -> Context | None:
        """Return the context of a request that came by HTTP; jobs and commands are each process's own.

        One that is named as nothing only asks if the process is ready.
        """
        if not request.method:
            return None
        self.open()
        if request.endpoint == "":
            return None
        endpoint = quote(request.endpoint or "")
        self._report.request(endpoint)
        return new_request(self._service, endpoint)

    def begin_plain(self, request: Request, name: str) -> Context | None:
        """Return the same."""
        return self.begin(request)

    def end(self, request: Request, status: int, error: BaseException | None) -> None:
        """Keep the objects of the request no longer."""
        context = current.get()
        if context is not None:
            self._held.end(context.request)


def _patch_uvicorn(module: Any) -> None:
    import_from_string = module.import_from_string

    def import_app(name: Any) -> Any:
        # uvicorn puts its own layers around the app at once.
        app = import_from_string(name)
        return app.__wrapped__ if is_stub(app) else app

    module.import_from_string = import_app


def _patch_threads(runtime: Runtime) -> None:
    """Let work handed to a thread pool keep its request; asyncio's ``run_in_executor`` drops the context."""
    submit: Any = concurrent.futures.thread.ThreadPoolExecutor.submit

    @functools.wraps(submit)
    def submit_with_context(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        context = current.get()
        if context is None:
            return submit(self, fn, *args, **kwargs)
        # A stub that is handed over finds no frame of the app in its thread: who handed it over called it.
        site = runtime.site(sys._getframe(1)) if _runs_stub(fn) else None
        return submit(self, _run_with, context, site, fn, *args, **kwargs)

    concurrent.futures.thread.ThreadPoolExecutor.submit = submit_with_context  # type: ignore[method-assign]


def _patch_to_thread(runtime: Runtime, module: Any) -> None:
    run_sync = module.run_sync

    @functools.wraps(run_sync)
    async def run_sync_with_site(func: Any, *args: Any, **kwargs: Any) -> Any:
        context = current.get()
        if context is not None and _runs_stub(func):
            return await run_sync(_run_with, context, runtime.site(sys._getframe(1)), func, *args, **kwargs)
        return await run_sync(func, *args, **kwargs)

    module.run_sync = run_sync_with_site


def _runs_stub(fn: Any) -> bool:
    """Return if this is a stub, or the ``partial`` of one, with or without ``Context.run`` before it."""
    return is_stub(fn) or (
        isinstance(fn, functools.partial) and (is_stub(fn.func) or (bool(fn.args) and _runs_stub(fn.args[0])))
    )


def _run_with(context: Context, site: Site | None, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    token, outer = current.set(context), handed_by.site
    handed_by.site = site
    try:
        return fn(*args, **kwargs)
    finally:
        current.reset(token)
        handed_by.site = outer

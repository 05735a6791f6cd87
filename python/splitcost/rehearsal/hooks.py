"""The hooks of a rehearsal: on uvicorn, and on thread pools, which would lose the request."""

from __future__ import annotations

import concurrent.futures.thread
import functools
import sys
from typing import Any

from splitcost import _hooks
from splitcost.rehearsal.context import Context, Site, current, handed_by
from splitcost.rehearsal.runtime import Runtime, is_stub


def install(runtime: Runtime) -> None:
    """Put the hooks on modules that are imported already, and on the others when they are."""
    _hooks.install(
        {
            "uvicorn.config": functools.partial(_patch_config, runtime),
            "uvicorn.server": functools.partial(_patch_server, runtime),
            "anyio.to_thread": functools.partial(_patch_to_thread, runtime),
        }
    )
    _patch_threads(runtime)


def _patch_config(runtime: Runtime, module: Any) -> None:
    load, import_from_string = module.Config.load, module.import_from_string

    def import_app(name: Any) -> Any:
        # An app that is a plain function is not called as one of another service's: each process serves it.
        app = import_from_string(name)
        return app.__wrapped__ if is_stub(app) else app

    @functools.wraps(load)
    def load_and_wrap(self: Any) -> None:
        load(self)
        self.loaded_app = runtime.wrap_app(self.loaded_app)

    module.import_from_string = import_app
    module.Config.load = load_and_wrap


def _patch_server(runtime: Runtime, module: Any) -> None:
    startup, shutdown = module.Server.startup, module.Server.shutdown

    @functools.wraps(startup)
    async def startup_with_calls(self: Any, *args: Any, **kwargs: Any) -> None:
        # First: whoever sees the app answer may call at once.
        port = runtime.config.services[runtime.config.service].rpc_port
        runtime.rpc_port = await runtime.stack.start(port, runtime.server.answer)
        try:
            await startup(self, *args, **kwargs)
        except BaseException:
            await runtime.stack.stop()
            raise

    @functools.wraps(shutdown)
    async def shutdown_with_calls(self: Any, *args: Any, **kwargs: Any) -> None:
        await runtime.stack.stop()
        await shutdown(self, *args, **kwargs)

    module.Server.startup = startup_with_calls
    module.Server.shutdown = shutdown_with_calls


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

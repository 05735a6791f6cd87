"""Things that stay in this process while others use them: iterators, context managers, and objects by reference."""

from __future__ import annotations

import contextlib
import inspect
import time
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from splitcost.rehearsal.context import current
from splitcost.rehearsal.resources import Scope

BATCH_SECS = 0.01
"""The time after which a batch of items is sent, full or not. Chosen: what an iterator waits for is not held back."""


class Batch(NamedTuple):
    """The next items of an iterator: an end by an exception is there, and without one the rest if there is more."""

    items: list[Any]
    rest: Batches | None
    is_async: bool
    error: BaseException | None = None


class Batches:
    """A generator whose items are taken in batches."""

    def __init__(self, generator: Any, most: int, scope: Scope) -> None:
        self._generator = generator
        self._most = most
        self.scope = scope
        self.is_async = isinstance(generator, types.AsyncGeneratorType)

    def pull(self) -> Batch:
        """Take the next items of a plain generator."""
        items: list[Any] = []
        until = time.monotonic() + BATCH_SECS
        try:
            for item in self._generator:
                items.append(item)
                if len(items) >= self._most or time.monotonic() > until:
                    return Batch(items, self, is_async=False)
        except Exception as error:
            return Batch(items, None, is_async=False, error=error)
        return Batch(items, None, is_async=False)

    async def pull_async(self) -> Batch:
        """Take the next items of an asynchronous generator."""
        items: list[Any] = []
        until = time.monotonic() + BATCH_SECS
        try:
            async for item in self._generator:
                items.append(item)
                if len(items) >= self._most or time.monotonic() > until:
                    return Batch(items, self, is_async=True)
        except Exception as error:
            return Batch(items, None, is_async=True, error=error)
        return Batch(items, None, is_async=True)

    def close(self) -> None:
        """Close a plain generator, and commit what it did."""
        with _again(self.scope):
            self._generator.close()
            self.scope.end(None)

    async def close_async(self) -> None:
        """Close an asynchronous one."""
        with _again(self.scope):
            await self._generator.aclose()
            await self.scope.end_async(None)


class Opened(NamedTuple):
    """A context manager that was entered here, and what it gave."""

    value: Any
    manager: Any


def is_begun(result: Any) -> bool:
    """Return if a result is something whose first part is still to come."""
    return isinstance(result, Batches) or inspect.isawaitable(result) or is_async_context(result)


def is_async_context(result: Any) -> bool:
    return isinstance(result, contextlib.AbstractAsyncContextManager) and is_made_by_contextlib(result)


def goes_on(result: Any) -> bool:
    """Return if something is kept here for later calls, which uses resources until then."""
    return isinstance(result, Opened) or (isinstance(result, Batch) and result.rest is not None)


def is_made_by_contextlib(manager: Any) -> bool:
    return isinstance(manager, contextlib._GeneratorContextManagerBase)


def _next(batches: Any) -> Any:
    return batches


def _close(batches: Any) -> None:
    batches.close()


async def _close_async(batches: Any) -> None:
    await batches.close_async()


@contextlib.contextmanager
def _again(scope: Scope) -> Iterator[None]:
    """Use the resources of an earlier call in this one."""
    context = current.get()
    assert context is not None
    token = current.set(context._replace(uses=scope))
    try:
        yield
    finally:
        current.reset(token)
        if isinstance(context.uses, Scope):
            context.uses.take_commits(scope)


def _exit(manager: Any, error: BaseException | None) -> Any:
    scope: Scope = manager.__splitcost_scope__
    with _again(scope):
        try:
            is_caught = bool(manager.__exit__(None if error is None else type(error), error, None))
        except BaseException as raised:
            scope.end(raised)
            raise
        scope.end(None if is_caught else error)
    return [is_caught, _changed(manager)]


async def _exit_async(manager: Any, error: BaseException | None) -> Any:
    scope: Scope = manager.__splitcost_scope__
    with _again(scope):
        try:
            is_caught = bool(await manager.__aexit__(None if error is None else type(error), error, None))
        except BaseException as raised:
            await scope.end_async(raised)
            raise
        await scope.end_async(None if is_caught else error)
    return [is_caught, _changed(manager)]


def _changed(manager: Any) -> str | None:
    """Return the path to what a context manager has changed in the value that it gave."""
    parts = getattr(manager, "__splitcost_parts__", None)
    changed = [] if parts is None else parts.changed()
    return str(changed[0][2]) if changed else None


ENDINGS = (_close, _close_async, _exit, _exit_async)
"""Operations after which nobody uses the thing any more."""

OPERATIONS = "splitcost"
"""The module that operations on things kept here have in messages."""

FIELD_ACCESS = ("get", "set", "delete")
"""The operations on an object that stays here."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "get": getattr,
    "set": setattr,
    "delete": delattr,
    "next": _next,
    "close": _close,
    "close_async": _close_async,
    "exit": _exit,
    "exit_async": _exit_async,
}

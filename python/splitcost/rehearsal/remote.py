"""Iterators and context managers that live in another service, as the caller sees them."""

from __future__ import annotations

import contextlib
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, NamedTuple

from splitcost.codec import CannotCross
from splitcost.rehearsal.errors import RehearsalError, RemoteError
from splitcost.rehearsal.live import Handle

Use = Callable[..., Any]
"""Uses what a handle stands for: the handle, the operation, and its arguments."""
UseAsync = Callable[..., Awaitable[Any]]

_helpers = {
    contextlib.contextmanager(lambda: iter(())).__code__: False,
    contextlib.asynccontextmanager(lambda: None).__code__: True,  # type: ignore[arg-type,return-value]
}


def makes_context(function: Any) -> bool | None:
    """Return if a function makes a context manager of a generator, and then, if that one is asynchronous."""
    return _helpers.get(function.__code__) if isinstance(function, types.FunctionType) else None


class Items(NamedTuple):
    """A batch of an iterator's items, the handle of the rest if there is more, and the exception at its end."""

    items: list[Any]
    rest: Handle | None
    error: BaseException | None


class Entered(NamedTuple):
    """The value that a context manager gave, and the handle of the manager."""

    value: Any
    manager: Handle


def iterate(batch: Items, use: Use) -> Generator[Any, None, None]:
    """Yield the items of an iterator of another service."""
    try:
        while True:
            yield from batch.items
            if batch.error is not None:
                raise batch.error
            if batch.rest is None:
                return
            rest, batch = batch.rest, batch._replace(rest=None)
            batch = use(rest, "next")
    finally:
        if batch.rest is not None:
            with contextlib.suppress(RehearsalError):  # Its request has ended, and the iterator with it.
                use(batch.rest, "close")


async def iterate_async(batch: Items, use: UseAsync) -> AsyncGenerator[Any, None]:
    """Yield the items of an asynchronous iterator of another service."""
    try:
        while True:
            for item in batch.items:
                yield item
            if batch.error is not None:
                raise batch.error
            if batch.rest is None:
                return
            rest, batch = batch.rest, batch._replace(rest=None)
            batch = await use(rest, "next")
    finally:
        if batch.rest is not None:
            with contextlib.suppress(RehearsalError):
                await use(batch.rest, "close_async")


class RemoteContext(contextlib.ContextDecorator):
    """A context manager that another service enters and leaves. ``call`` calls the function that makes it.

    ``lose`` is called with the path to what it changed in the value that it gave, when it was left.
    """

    def __init__(self, call: Callable[[], Any], use: Use, lose: Callable[[str], None]) -> None:
        self._call = call
        self._use = use
        self._lose = lose
        self._made: Any = None

    def _recreate_cm(self) -> RemoteContext:
        return type(self)(self._call, self._use, self._lose)

    def __enter__(self) -> Any:
        self._made = self._call()
        return self._made.value if isinstance(self._made, Entered) else self._made.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        if not isinstance(self._made, Entered):
            return self._made.__exit__(kind, error, trace)
        try:
            is_caught, lost = self._use(self._made.manager, "exit", error)
        except CannotCross:
            is_caught, lost = self._use(self._made.manager, "exit", _described(error))
        if lost is not None:
            self._lose(lost)
        return is_caught


class AsyncRemoteContext(contextlib.AsyncContextDecorator):
    """The same for an asynchronous one."""

    def __init__(
        self, call: Callable[[], Awaitable[Any]], use: UseAsync, lose: Callable[[str], None]
    ) -> None:
        self._call = call
        self._use = use
        self._lose = lose
        self._made: Any = None

    def _recreate_cm(self) -> AsyncRemoteContext:
        return type(self)(self._call, self._use, self._lose)

    async def __aenter__(self) -> Any:
        self._made = await self._call()
        return self._made.value if isinstance(self._made, Entered) else await self._made.__aenter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        if not isinstance(self._made, Entered):
            return await self._made.__aexit__(kind, error, trace)
        try:
            is_caught, lost = await self._use(self._made.manager, "exit_async", error)
        except CannotCross:
            is_caught, lost = await self._use(self._made.manager, "exit_async", _described(error))
        if lost is not None:
            self._lose(lost)
        return is_caught


def _described(error: BaseException | None) -> RemoteError:
    return RemoteError(f"{type(error).__module__}.{type(error).__qualname__}", str(error))

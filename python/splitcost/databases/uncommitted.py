"""The recorder's view of transactions: the calls whose writes a request has not committed.

A write is of the call that executes the statement. A change that a session has not flushed is of the call that ran
when it appeared: sessions are looked at where a recorded call begins or ends.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from splitcost import _native
from splitcost.databases.transactions import Transactions, has_pending, hooks, session_of

__all__ = ["follow"]


class Uncommitted(Transactions[int]):
    """The transactions of this process, by the numbers of requests, with the calls that wrote in each."""

    def __init__(self) -> None:
        super().__init__()
        self._writers: dict[int, set[int]] = {}
        #: The number of changes in each session when it was last looked at.
        self._changes: dict[int, int] = {}
        #: Sessions that have flushed since.
        self._flushed: set[int] = set()
        #: The calls that were noted last, by request.
        self._noted: dict[int, list[int]] = {}

    def running(self) -> int | None:
        """Return the request that runs."""
        found = _native.running()
        return None if found is None else found[0]

    def open(self, request: int, holder: Any, has_writes: Callable[[Any], bool]) -> None:
        """Follow a session, or a connection by which the running call has written."""
        super().open(request, holder, has_writes)
        writers = self._writers.setdefault(id(holder), set())
        _native.follow_request(request, True)
        found = _native.running()
        if has_writes is has_pending or found is None:
            return
        session = session_of(holder)
        if session is None or not session._flushing:
            writers.add(found[1])
            return
        if id(session) not in self._flushed:
            self._look(session, found[1])
            self._flushed.add(id(session))
        writers |= self._writers.get(id(session), set())

    def _forget(self, number: int) -> None:
        with self._lock:
            request = self._owners.get(number)
            super()._forget(number)
            self._writers.pop(number, None)
            self._changes.pop(number, None)
            self._flushed.discard(number)
            if request is None or self.is_open(request):
                return
            _native.follow_request(request, False)
            if self._noted.pop(request, None):
                _native.note_uncommitted(request, [])

    def look(self, request: int, call: int, begins: bool) -> None:
        """Look at what a request has open. ``call`` ran up to now; ``begins`` says that it goes on to call another."""
        held: set[int] = set()
        for holder, has_writes in self.opened(request):
            if has_writes is has_pending:
                self._look(holder, call)
            if begins and has_writes(holder):
                held |= self._writers.get(id(holder), set())
        if begins and (calls := sorted(held)) != self._noted.get(request, []):
            self._noted[request] = calls
            _native.note_uncommitted(request, calls)

    def _look(self, session: Any, call: int) -> None:
        """Take new changes in a session for those of a call."""
        number, writers = id(session), self._writers.setdefault(id(session), set())
        if number in self._flushed and not session._flushing:
            self._flushed.discard(number)
            self._changes[number] = 0
            writers.clear()
        changes = len(session._new) + len(session._deleted) + len(session._dirty_states)
        if changes > self._changes.get(number, 0):
            writers.add(call)
        self._changes[number] = changes


_uncommitted = Uncommitted()
_native.look_with(_uncommitted.look)
_hooks = hooks(_uncommitted)


def follow(module: ModuleType) -> None:
    """Follow the transactions of a library."""
    _hooks[module.__name__](module)

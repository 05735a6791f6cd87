"""The transactions of a rehearsed service: its requests', and those of the calls that it answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from splitcost.databases.transactions import Transactions
from splitcost.rehearsal.context import current


class Uses:
    """The sessions and connections that an answered call used without being given them."""

    __slots__ = ("commits", "connections", "is_used", "sessions")

    def __init__(self) -> None:
        self.is_used = False
        #: Transactions with writes that were committed.
        self.commits = 0
        #: Sessions of SQLAlchemy with the thread that began them, and connections that wrote.
        self.sessions: list[tuple[Any, int]] = []
        self.connections: list[Any] = []


class RequestTransactions(Transactions[str]):
    """The transactions of this process, by the names of requests."""

    def __init__(self, *, by_thread: bool = False) -> None:
        super().__init__()
        #: Requests that run side by side have one name: those of a test, in a loopback.
        self._by_thread = by_thread

    def name(self, request: str) -> str:
        """Return the name by which transactions of a request are followed on this thread."""
        return f"{request} {threading.get_ident()}" if self._by_thread else request

    def running(self) -> str | None:
        """Return the request of the running context."""
        context = current.get()
        return None if context is None else self.name(context.request)

    def note_statement(self) -> None:
        """Note that the answered call uses a database."""
        if (uses := _uses()) is not None:
            uses.is_used = True

    def note_session(self, session: Any) -> None:
        """Note that the answered call uses a session."""
        if (uses := _uses()) is not None:
            uses.is_used = True
            uses.sessions.append((session, threading.get_ident()))

    def note_write(self, connection: Any) -> None:
        """Note a connection that the answered call has to commit."""
        if (uses := _uses()) is not None:
            uses.connections.append(connection)

    def note_end(self, holder: Any, *, is_commit: bool) -> None:
        """Count a commit of what the answered call has written."""
        uses = _uses()
        if uses is not None and any(held is holder for held in uses.connections):
            uses.connections[:] = [held for held in uses.connections if held is not holder]
            uses.commits += is_commit


def _uses() -> Uses | None:
    context = current.get()
    return None if context is None else context.uses


def iterate_open_django(uses: Uses) -> Iterator[Any]:
    """Yield the connections of Django's that have uncommitted writes outside an atomic block."""
    for held in uses.connections:
        if hasattr(held, "in_atomic_block") and not held.in_atomic_block and not held.autocommit:
            yield held

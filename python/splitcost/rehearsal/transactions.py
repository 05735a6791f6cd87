"""The transactions of an app's requests: those that are open in this process, and those with uncommitted writes.

Statements are followed where libraries execute them, by events of SQLAlchemy and around Django's cursors. While a
request has uncommitted writes here, no other service can see them, and may wait for their lock.
"""

from __future__ import annotations

import functools
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from splitcost.rehearsal.context import Context, current

_COMMENT = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_WRITES = re.compile(
    _COMMENT
    + r"(?:insert|update|delete|merge|replace|create|drop|alter|truncate|lock|call|copy|grant|revoke|"
    r"begin\s+(?:immediate|exclusive)|with\b.*\b(?:insert|update|delete|merge)\b|"
    r"select\b.*\b(?:for\s+(?:no\s+key\s+)?update|for\s+(?:key\s+)?share|lock\s+in\s+share\s+mode)\b)",
    re.IGNORECASE | re.DOTALL,
)


@functools.lru_cache(4096)
def is_write(statement: str) -> bool:
    """Return if a statement writes, or takes a lock as writers do."""
    return _WRITES.match(statement) is not None


_BEGINS = re.compile(_COMMENT + r"(?:begin|savepoint|release|rollback|pragma)\b", re.IGNORECASE | re.DOTALL)


@functools.lru_cache(4096)
def _is_only_begin(statement: str) -> bool:
    return _BEGINS.match(statement) is not None


class Opened(NamedTuple):
    """Something that has a transaction."""

    reference: weakref.ref[Any]
    has_writes: Callable[[Any], bool]


class Transactions:
    """The transactions of this process, by the request that uses them. Thread-safe."""

    def __init__(self, *, by_thread: bool = False) -> None:
        #: Requests that run side by side have one name: those of a test, in a loopback.
        self._by_thread = by_thread
        # Objects that are dropped report themselves, maybe on a thread that is inside of here.
        self._lock = threading.RLock()
        self._requests: dict[str, dict[int, Opened]] = {}
        self._owners: dict[int, str] = {}

    def _name(self, request: str) -> str:
        return f"{request} {threading.get_ident()}" if self._by_thread else request

    def open(self, request: str, holder: Any, has_writes: Callable[[Any], bool]) -> None:
        """Follow something that begins a transaction. ``has_writes`` returns if writes of it are uncommitted."""
        number, request = id(holder), self._name(request)
        reference = weakref.ref(holder, lambda _: self._forget(number))
        with self._lock:
            self._forget(number)
            self._owners[number] = request
            self._requests.setdefault(request, {})[number] = Opened(reference, has_writes)

    def end(self, holder: Any) -> None:
        """Follow something no longer."""
        self._forget(id(holder))

    def _forget(self, number: int) -> None:
        with self._lock:
            request = self._owners.pop(number, None)
            if request is None:
                return
            opened = self._requests[request]
            del opened[number]
            if not opened:
                del self._requests[request]

    def is_followed(self, holder: Any) -> bool:
        """Return if something is followed."""
        return id(holder) in self._owners

    def is_open(self, request: str) -> bool:
        """Return if a request has a transaction here."""
        return self._name(request) in self._requests

    def has_writes(self, request: str) -> bool:
        """Return if a request has uncommitted writes here."""
        if not self._requests or (request := self._name(request)) not in self._requests:
            return False
        with self._lock:
            opened = list(self._requests.get(request, {}).values())
        holders = ((each.reference(), each.has_writes) for each in opened)
        return any(holder is not None and has_writes(holder) for holder, has_writes in holders)


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


# --- SQLAlchemy

_session_of: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()


def session_of(connection: Any) -> Any:
    """Return the session that a connection of SQLAlchemy works for, if one does."""
    reference = _session_of.get(connection)
    return None if reference is None else reference()


def has_pending(session: Any) -> bool:
    """Return if a session has changes that it has not flushed."""
    try:
        if session._is_clean():
            return False
        if session.new or session.deleted:
            return True
        return any(session.is_modified(row) for row in session.dirty)
    except RuntimeError:  # Another thread is at it.
        return True


def _is_in_transaction(connection: Any) -> bool:
    return not connection.closed and bool(connection.in_transaction())


def hooks(transactions: Transactions) -> dict[str, Callable[[ModuleType], None]]:
    """Return the hooks that follow statements, by the modules after whose import they run."""
    return {
        "sqlalchemy": functools.partial(_follow_connections, transactions),
        "sqlalchemy.orm": functools.partial(_follow_sessions, transactions),
        "django.db.backends.utils": functools.partial(_follow_cursors, transactions),
        "django.db.backends.base.base": functools.partial(_follow_wrappers, transactions),
    }


def _follow_connections(transactions: Transactions, module: Any) -> None:
    def after_cursor_execute(conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        context = current.get()
        if context is None:
            return
        if context.uses is not None:
            context.uses.is_used = True
        if is_write(statement) and not _is_autocommit(conn):
            transactions.open(context.request, conn, _is_in_transaction)
            if context.uses is not None:
                context.uses.connections.append(conn)
        elif conn.dialect.name == "sqlite" and _holds_lock(conn, statement):
            transactions.open(context.request, conn, _is_in_transaction)

    def commit(conn: Any, *_rest: Any) -> None:
        transactions.end(conn)
        context = current.get()
        uses = None if context is None else context.uses
        if uses is not None and any(held is conn for held in uses.connections):
            uses.connections[:] = [held for held in uses.connections if held is not conn]
            uses.commits += 1

    def rollback(conn: Any, *_rest: Any) -> None:
        transactions.end(conn)

    listen, engine = module.event.listen, module.engine.Engine
    listen(engine, "after_cursor_execute", after_cursor_execute)
    for name in ("commit", "commit_twophase"):
        listen(engine, name, commit)
    for name in ("rollback", "rollback_twophase"):
        listen(engine, name, rollback)


def _is_autocommit(connection: Any) -> bool:
    ask = getattr(connection, "_is_autocommit_isolation", None)
    return ask is not None and bool(ask())


def _holds_lock(connection: Any, statement: str) -> bool:
    """Return if a transaction of SQLite has read: until it ends no other can commit, or its own later writes fail.

    The driver begins none for a statement that reads, unless the app says so.
    """
    driver = getattr(connection.connection, "driver_connection", None)
    return bool(getattr(driver, "in_transaction", False)) and not _is_only_begin(statement)


def _follow_sessions(transactions: Transactions, module: Any) -> None:
    from sqlalchemy import event

    def after_transaction_create(session: Any, transaction: Any) -> None:
        context = current.get()
        if context is None or transaction.parent is not None:
            return
        transactions.open(context.request, session, has_pending)
        if context.uses is not None:
            context.uses.is_used = True
            context.uses.sessions.append((session, threading.get_ident()))

    def after_transaction_end(session: Any, transaction: Any) -> None:
        if transaction.parent is None:
            transactions.end(session)

    def after_begin(session: Any, _transaction: Any, connection: Any) -> None:
        _session_of[connection] = weakref.ref(session)

    event.listen(module.Session, "after_transaction_create", after_transaction_create)
    event.listen(module.Session, "after_transaction_end", after_transaction_end)
    event.listen(module.Session, "after_begin", after_begin)


# --- Django


def _follow_cursors(transactions: Transactions, module: Any) -> None:
    def following(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def execute(self: Any, sql: Any, *args: Any) -> Any:
            result = original(self, sql, *args)
            context = current.get()
            if context is not None:
                _note(transactions, context, self.db, sql)
            return result

        return execute

    wrapper = module.CursorWrapper
    for name in ("_execute", "_executemany"):
        setattr(wrapper, name, following(getattr(wrapper, name)))


def _note(transactions: Transactions, context: Context, db: Any, sql: Any) -> None:
    if context.uses is not None:
        context.uses.is_used = True
    if _is_in_block(db):
        if type(sql) is str and is_write(sql):
            transactions.open(context.request, db, _is_in_block)
            if context.uses is not None:
                context.uses.connections.append(db)
        elif db.vendor == "sqlite" and type(sql) is str and not _is_only_begin(sql):
            transactions.open(context.request, db, _is_in_block)
        elif not transactions.is_followed(db):
            transactions.open(context.request, db, _never)


def _is_in_block(db: Any) -> bool:
    """Return if a connection of Django's is in a transaction that is still to be committed."""
    return bool(db.in_atomic_block) or not db.autocommit


def _never(_db: Any) -> bool:
    return False


def _follow_wrappers(transactions: Transactions, module: Any) -> None:
    wrapper = module.BaseDatabaseWrapper

    def following(original: Callable[..., Any], is_commit: bool) -> Callable[..., Any]:
        @functools.wraps(original)
        def end(self: Any, *args: Any) -> Any:
            context = current.get()
            uses = None if context is None else context.uses
            wrote = uses is not None and any(held is self for held in uses.connections)
            result = original(self, *args)
            transactions.end(self)
            if wrote and uses is not None:
                uses.connections[:] = [held for held in uses.connections if held is not self]
                uses.commits += is_commit
            return result

        return end

    wrapper._commit = following(wrapper._commit, True)
    wrapper._rollback = following(wrapper._rollback, False)
    wrapper._close = following(wrapper._close, False)


def iterate_open_django(uses: Uses) -> Iterator[Any]:
    """Yield the connections of Django's that have uncommitted writes outside an atomic block."""
    for held in uses.connections:
        if hasattr(held, "in_atomic_block") and not held.in_atomic_block and not held.autocommit:
            yield held

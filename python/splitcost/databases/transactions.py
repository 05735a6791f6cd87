"""The transactions of an app's requests: those that are open in this process, and those with uncommitted writes.

Statements are followed where libraries execute them, by events of SQLAlchemy and around Django's cursors. While a
request has uncommitted writes here, no other service can see them, and may wait for their lock. A rehearsal and the
recorder both follow them here, so that a prediction knows what the rehearsal will see.
"""

from __future__ import annotations

import functools
import re
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from splitcost._guard import attempt

_Request = TypeVar("_Request", str, int)

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


class Transactions(ABC, Generic[_Request]):
    """The transactions of this process, by the request that uses them. Thread-safe."""

    def __init__(self) -> None:
        # Objects that are dropped report themselves, maybe on a thread that is inside of here.
        self._lock = threading.RLock()
        self._requests: dict[_Request, dict[int, Opened]] = {}
        self._owners: dict[int, _Request] = {}

    @abstractmethod
    def running(self) -> _Request | None:
        """Return the request that this code runs for, if it runs for one."""

    def note_statement(self) -> None:
        """Note that the request that runs executes a statement."""

    def note_session(self, session: Any) -> None:
        """Note that the request that runs begins a session of SQLAlchemy."""

    def note_write(self, connection: Any) -> None:
        """Note that the request that runs writes by a connection, and has to commit that."""

    def note_end(self, holder: Any, *, is_commit: bool) -> None:
        """Note that a transaction ends."""

    def open(self, request: _Request, holder: Any, has_writes: Callable[[Any], bool]) -> None:
        """Follow something that begins a transaction. ``has_writes`` returns if writes of it are uncommitted."""
        number = id(holder)
        reference = weakref.ref(holder, lambda _: attempt(self._forget, number))
        with self._lock:
            if self._owners.get(number) != request:
                self._forget(number)
            self._owners[number] = request
            self._requests.setdefault(request, {})[number] = Opened(reference, has_writes)

    def end(self, holder: Any, *, is_commit: bool = False) -> None:
        """Follow something no longer."""
        self._forget(id(holder))
        self.note_end(holder, is_commit=is_commit)

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

    def is_open(self, request: _Request) -> bool:
        """Return if a request has a transaction here."""
        return request in self._requests

    def opened(self, request: _Request) -> list[tuple[Any, Callable[[Any], bool]]]:
        """Return what a request has open here, each with the function that returns if it has uncommitted writes."""
        if request not in self._requests:
            return []
        with self._lock:
            opened = list(self._requests.get(request, {}).values())
        holders = ((each.reference(), each.has_writes) for each in opened)
        return [(holder, has_writes) for holder, has_writes in holders if holder is not None]

    def has_writes(self, request: _Request) -> bool:
        """Return if a request has uncommitted writes here."""
        return any(has_writes(holder) for holder, has_writes in self.opened(request))


# --- SQLAlchemy

_session_of: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()
_registries: weakref.WeakSet[Any] = weakref.WeakSet()


def only_registry() -> Any:
    """Return the `scoped_session` of this process, if there is one alone."""
    found = list(_registries)
    return found[0] if len(found) == 1 else None


def session_of(connection: Any) -> Any:
    """Return the session that a connection of SQLAlchemy works for, if one does."""
    reference = _session_of.get(connection)
    return None if reference is None else reference()


def has_pending(session: Any) -> bool:
    """Return if a session has changes that it has not flushed. No code of the app runs for it."""
    try:
        return bool(session._new or session._deleted) or any(map(_is_changed, session._dirty_states))
    except RuntimeError:  # Another thread is at it.
        return True


_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, Decimal, date, datetime, time, timedelta, UUID}
)


def _is_changed(state: Any) -> bool:
    """Return if a row has other values than those that were loaded, or values of which nobody can tell but the app."""
    held = state.dict
    for name, loaded in state.committed_state.items():
        value = held.get(name, _UNSET)
        is_same = value is loaded or (
            type(value) is type(loaded) and type(value) in _PLAIN and value == loaded
        )
        if not is_same:
            return True
    return False


_UNSET = object()


def _is_in_transaction(connection: Any) -> bool:
    return not connection.closed and bool(connection.in_transaction())


def hooks(transactions: Transactions[Any]) -> dict[str, Callable[[ModuleType], None]]:
    """Return the hooks that follow statements, by the modules after whose import they run."""
    return {
        "sqlalchemy": functools.partial(_follow_connections, transactions),
        "sqlalchemy.orm": functools.partial(_follow_sessions, transactions),
        "django.db.backends.utils": functools.partial(_follow_cursors, transactions),
        "django.db.backends.base.base": functools.partial(_follow_wrappers, transactions),
    }


def _follow_connections(transactions: Transactions[Any], module: Any) -> None:
    def executed(context: Any) -> None:
        request = transactions.running()
        if request is None:
            return
        transactions.note_statement()
        connection, statement = context.root_connection, context.statement
        if is_write(statement) and not _is_autocommit(connection):
            transactions.open(request, connection, _is_in_transaction)
            transactions.note_write(connection)
        elif connection.dialect.name == "sqlite" and _holds_lock(connection, statement):
            transactions.open(request, connection, _is_in_transaction)

    # Not by its events: one listener makes each statement take longer ways, at 2.5 times the cost of this.
    context, connection = module.engine.default.DefaultExecutionContext, module.engine.base.Connection
    set_up = context._setup_result_proxy

    @functools.wraps(set_up)
    def set_up_result(self: Any) -> Any:
        attempt(executed, self)
        return set_up(self)

    context._setup_result_proxy = set_up_result
    _follow_ends(transactions, connection, ("_commit_impl", "_commit_twophase_impl"), is_commit=True)
    _follow_ends(transactions, connection, ("_rollback_impl", "_rollback_twophase_impl"), is_commit=False)


def _follow_ends(
    transactions: Transactions[Any], kind: Any, methods: tuple[str, ...], *, is_commit: bool
) -> None:
    """Follow the methods of a class that end a transaction."""

    def following(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def end(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            attempt(transactions.end, self, is_commit=is_commit)
            return result

        return end

    for name in methods:
        setattr(kind, name, following(getattr(kind, name)))


def _is_autocommit(connection: Any) -> bool:
    ask = getattr(connection, "_is_autocommit_isolation", None)
    return ask is not None and bool(ask())


def _holds_lock(connection: Any, statement: str) -> bool:
    """Return if a transaction of SQLite has read: until it ends no other can commit, or its own later writes fail.

    The driver begins none for a statement that reads, unless the app says so.
    """
    driver = getattr(connection.connection, "driver_connection", None)
    return bool(getattr(driver, "in_transaction", False)) and not _is_only_begin(statement)


def _follow_sessions(transactions: Transactions[Any], module: Any) -> None:
    from sqlalchemy import event

    def begun(session: Any) -> None:
        request = transactions.running()
        if request is not None:
            transactions.open(request, session, has_pending)
            transactions.note_session(session)

    def after_transaction_create(session: Any, transaction: Any) -> None:
        if transaction.parent is None:
            attempt(begun, session)

    def after_transaction_end(session: Any, transaction: Any) -> None:
        if transaction.parent is None:
            attempt(transactions.end, session)

    def after_begin(session: Any, _transaction: Any, connection: Any) -> None:
        _session_of[connection] = weakref.ref(session)

    made = module.scoped_session.__init__

    @functools.wraps(made)
    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        attempt(_registries.add, self)

    module.scoped_session.__init__ = make
    event.listen(module.Session, "after_transaction_create", after_transaction_create)
    event.listen(module.Session, "after_transaction_end", after_transaction_end)
    event.listen(module.Session, "after_begin", after_begin)


# --- Django


def _follow_cursors(transactions: Transactions[Any], module: Any) -> None:
    def executed(db: Any, sql: Any) -> None:
        request = transactions.running()
        if request is None:
            return
        transactions.note_statement()
        if not _is_in_block(db):
            return
        if type(sql) is str and is_write(sql):
            transactions.open(request, db, _is_in_block)
            transactions.note_write(db)
        elif db.vendor == "sqlite" and type(sql) is str and not _is_only_begin(sql):
            transactions.open(request, db, _is_in_block)
        elif not transactions.is_followed(db):
            transactions.open(request, db, _never)

    def following(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def execute(self: Any, sql: Any, *args: Any) -> Any:
            result = original(self, sql, *args)
            attempt(executed, self.db, sql)
            return result

        return execute

    wrapper = module.CursorWrapper
    for name in ("_execute", "_executemany"):
        setattr(wrapper, name, following(getattr(wrapper, name)))


def _is_in_block(db: Any) -> bool:
    """Return if a connection of Django's is in a transaction that is still to be committed."""
    return bool(db.in_atomic_block) or not db.autocommit


def _never(_db: Any) -> bool:
    return False


def _follow_wrappers(transactions: Transactions[Any], module: Any) -> None:
    _follow_ends(transactions, module.BaseDatabaseWrapper, ("_commit",), is_commit=True)
    _follow_ends(transactions, module.BaseDatabaseWrapper, ("_rollback", "_close"), is_commit=False)

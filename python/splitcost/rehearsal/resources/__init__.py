"""Resources of known kinds: what stands for one in a message, and the callee's own that is obtained for it.

A caller's database session, connection, logger or request object does not cross. Its description does
(:meth:`Resources.describe`), and the callee makes or finds its own (:meth:`Scope.obtain`). What it made lasts as long
as the call: :class:`Scope` then commits or rolls back, and closes. There is a file for each library.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from splitcost import codec
from splitcost.codec.kinds import is_found
from splitcost.databases.transactions import has_pending, session_of
from splitcost.rehearsal.config import Config
from splitcost.rehearsal.objects import Names
from splitcost.rehearsal.resources import clients, sqlalchemy, web
from splitcost.rehearsal.transactions import RequestTransactions, Uses, iterate_open_django
from splitcost.rehearsal.variables import Variables

__all__ = ["Obtained", "Resources", "Scope", "Wanted"]


LOGGER = "logger"
"""The kind that needs nothing but its name, so that it can be in answers as well."""


class Obtained(NamedTuple):
    """The callee's own resource, and the way it ends: an ordinary function, or one whose result is awaited."""

    value: Any
    end: Callable[[BaseException | None], Any] | None = None
    end_async: Callable[[BaseException | None], Any] | None = None


class Wanted(Exception):
    """A resource that has to be obtained before its message can be decoded: that takes time, or is awaited."""

    def __init__(self, content: list[Any]) -> None:
        super().__init__(content)
        self.content = content


class Resources:
    """The resources of this process, as the settings say."""

    def __init__(self, config: Config, names: Names) -> None:
        self.names = names
        self._adapters = config.adapters
        self._adapted: dict[type, str | None] = {}
        #: Classes whose objects are described always, which was found out by one of them.
        self.kinds: set[type] = set()
        self.is_loopback = config.is_loopback
        self.transactions = RequestTransactions(by_thread=config.is_loopback)
        self.variables = Variables(is_loopback=config.is_loopback)

    def adapter_for(self, kind: type) -> str | None:
        """Return the class in the settings that is this one or a base of it, the nearest."""
        if not self._adapters:
            return None
        if kind not in self._adapted:
            classes = {_class_of(name): name for name in self._adapters}
            self._adapted[kind] = next((classes[base] for base in kind.__mro__ if base in classes), None)
        return self._adapted[kind]

    def describe(self, value: Any, exchange: codec.Foreign) -> list[Any] | None:
        """Return what stands for a value, if it is a resource of a known kind."""
        kind = type(value)
        if (name := self.adapter_for(kind)) is not None:
            return ["setting", name]
        if isinstance(value, logging.Logger):
            return [LOGGER, value.name]
        if isinstance(value, logging.LoggerAdapter) and isinstance(value.logger, logging.Logger):
            return _describe_logger_adapter(value, exchange)
        return (
            sqlalchemy.describe(value, self.names)
            or web.describe(value, self.names, exchange)
            or clients.describe(value)
        )

    def has_own_name(self, value: Any) -> bool:
        """Return if a value does not go by its name at module level: the callee's own is found otherwise."""
        if isinstance(value, logging.Logger) or self.adapter_for(type(value)) is not None:
            return True
        return sqlalchemy.is_session(value) and not sqlalchemy.is_nameable(value)

    def is_nameable(self, value: Any) -> bool:
        """Return if a value that can be called is a resource, and goes by its name if it has one."""
        return sqlalchemy.is_nameable(value)

    def holds_transaction(self, value: Any) -> bool:
        """Return if a value is a session or a connection of a database."""
        return sqlalchemy.is_session(value)

    def is_mapped(self, value: Any) -> bool:
        """Return if a value is of a class whose objects are rows, whether or not it is one yet."""
        models = sys.modules.get("django.db.models")
        return hasattr(type(value), "_sa_class_manager") or (
            models is not None and isinstance(value, models.Model)
        )

    def is_row(self, value: Any) -> bool:
        """Return if a value is a row that belongs to a session, or to a database of Django's."""
        kind = type(value)
        if hasattr(kind, "_sa_class_manager"):
            return value._sa_instance_state.session is not None
        models = sys.modules.get("django.db.models")
        return models is not None and isinstance(value, models.Model) and value._state.db is not None

    def context(self, exchange: codec.Foreign, uses_database: bool) -> dict[str, Any] | None:
        """Return what goes along with a call besides its arguments.

        These are variables of the app, a request of Flask's, and the databases of Django's with a transaction.
        """
        found: dict[str, Any] = {}
        if (variables := self.variables.take(exchange)) is not None:
            found["variables"] = variables
        if "flask" in sys.modules and (request := web.describe_flask(exchange)) is not None:
            found["flask"] = request
        if self.is_loopback:  # The callee has the rest, too.
            return found or None
        if uses_database and "django.db" in sys.modules and (blocks := _django_blocks()):
            found["atomic"] = blocks
        return found or None

    def has_transaction(self, request: str) -> bool:
        """Return if a request has a transaction here, on this thread if it is one of Django's."""
        return self.transactions.is_open(self.transactions.name(request)) or (
            "django.db" in sys.modules and bool(_django_blocks())
        )

    def sessions(self, given: Iterable[Any]) -> list[Any]:
        """Return the sessions of SQLAlchemy among resources, each once."""
        if "sqlalchemy.orm" not in sys.modules:
            return []
        here = map(sqlalchemy.of_thread, given)
        found = [session for value in here if (session := sqlalchemy.sync_session(value)) is not None]
        return list({id(each): each for each in found}.values())

    def has_one_session(self, given: Iterable[Any]) -> bool:
        """Return if rows among the arguments of a call that is given these belong to one session at the other side."""
        found = self.sessions(given)
        if not found and "sqlalchemy.orm" in sys.modules:
            return sqlalchemy.registered() is not None
        return len(found) == 1

    def session(self, given: Iterable[Any], request: str) -> Any:
        """Return the session of SQLAlchemy that the rows of a caller belong to.

        It is the one that the call is given, or else the only one that its request uses, or that a registry has for it.
        """
        found = self.sessions(given)
        if not found:
            found = self.sessions(
                value for value, _ in self.transactions.opened(self.transactions.name(request))
            )
        if not found and "sqlalchemy.orm" in sys.modules:
            return sqlalchemy.registered()
        return found[0] if len(found) == 1 else None

    def adopt(self, session: Any, row: Any) -> Any:
        """Return a row that an answer brought as one of the caller's session."""
        return sqlalchemy.adopt(session, row) if hasattr(type(row), "_sa_class_manager") else row

    def attach(self, session: Any, parts: Iterable[Any]) -> None:
        """Attach the rows among the parts of a message to a session."""
        sqlalchemy.attach(session, parts)

    def expire(self, session: Any) -> None:
        """Let a caller's session read again what the callee may have changed."""
        sqlalchemy.expire(session)

    def make(self, content: list[Any], exchange: codec.Foreign) -> Obtained | None:
        """Return the callee's own resource where that takes no time, else ``None``."""
        match content:
            case ["logger", name]:
                return Obtained(logging.getLogger(name))
            case ["logger adapter", kind, name, extra]:
                made = codec.resolve(kind)(logging.getLogger(name), codec.decode(extra.encode(), exchange))
                return Obtained(made)
            case [str(kind), *_] if kind in sqlalchemy.KINDS:
                made = sqlalchemy.make(content, self.names)
                return None if made is None else Obtained(*made)
            case [str(kind), *_] if kind in web.KINDS:
                return Obtained(web.make(content, self.names, exchange))
            case [str(kind), *_] if kind in clients.KINDS:
                return Obtained(clients.make(content))
        return None

    def take(self, content: list[Any], given: list[Any]) -> Any:
        """Return what an answer has a description of: a resource that the caller gave, or a logger."""
        match content:
            case ["logger", str(name)]:
                return logging.getLogger(name)
            case [int(number)] if 0 <= number < len(given):
                return given[number]
        raise codec.DecodeError("an answer has no resources of its own")

    def adapter(self, name: str) -> Any:
        """Return what the settings name for a class. Raises :class:`ValueError` where that cannot be found."""
        place = self._adapters.get(name)
        if place is None:
            raise ValueError(f"the settings adapt no {name}")
        module_name, _, attribute = place.partition(":")
        # Of the real module, where a facade would give a stub that calls its service.
        found: Any = vars(importlib.import_module(module_name))
        for part in attribute.split("."):
            try:
                found = found[part] if type(found) is dict else getattr(found, part)
            except (KeyError, AttributeError):
                raise ValueError(f"there is no {place}, by which {name} is to be adapted") from None
        return found


def _class_of(name: str) -> Any:
    """Return the class of a dotted name, or one with a colon, if its module is imported."""
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)


def _describe_logger_adapter(value: Any, exchange: codec.Foreign) -> list[Any] | None:
    kind = next(base for base in type(value).__mro__ if is_found(base))
    return [
        "logger adapter",
        codec.name_of(kind),
        value.logger.name,
        codec.encode(value.extra, exchange).decode(),
    ]


class Scope(Uses):
    """The resources of one answered call, from its arguments to its encoded answer."""

    __slots__ = ("_obtained", "_resources", "function", "goes_on", "rows")

    def __init__(self, resources: Resources, function: str) -> None:
        super().__init__()
        #: The name of the function that is called, as reports have it.
        self.function = function
        #: Something is kept that uses the resources in later calls, and then ends them.
        self.goes_on = False
        #: Rows among the arguments.
        self.rows: list[Any] = []
        self._resources = resources
        self._obtained: dict[bytes, Obtained] = {}

    def find(self, content: list[Any], exchange: codec.Foreign) -> Any:
        """Return the resource of a description. Raises :class:`Wanted` where it has to be obtained first."""
        key = orjson.dumps(content)
        obtained = self._obtained.get(key)
        if obtained is None:
            obtained = self._resources.make(content[1:], exchange)
            if obtained is None:
                raise Wanted(content)
            self._keep(key, obtained)
        return obtained.value

    def describe(self, value: Any) -> list[Any] | None:
        """Return what stands for a resource in the answer, if the caller has its own for it: its number."""
        for key, obtained in self._obtained.items():
            if obtained.value is value and value is not None:
                number: int = orjson.loads(key)[0]
                return [number]
        return [LOGGER, value.name] if isinstance(value, logging.Logger) else None

    def _keep(self, key: bytes, obtained: Obtained) -> None:
        self._obtained[key] = obtained
        self.is_used = self.is_used or obtained.end is not None or obtained.end_async is not None

    def obtain(self, wanted: Wanted) -> None:
        """Obtain what a message wants, on a thread that may wait."""
        made = self._start(wanted)
        if inspect.isawaitable(made) or hasattr(made, "__anext__") or _is_async_context(made):
            if inspect.iscoroutine(made):
                made.close()
            raise TypeError("a plain function cannot obtain what is to be awaited")
        self._keep(orjson.dumps(wanted.content), _started(made, self._is_made(wanted)))

    async def obtain_async(self, wanted: Wanted) -> None:
        """Obtain what a message wants, and await it."""
        made = self._start(wanted)
        if inspect.isawaitable(made):
            made = await made
        if hasattr(made, "__anext__") or _is_async_context(made):
            obtained = await _started_async(made)
        else:
            obtained = _started(made, self._is_made(wanted))
        self._keep(orjson.dumps(wanted.content), obtained)

    def _start(self, wanted: Wanted) -> Any:
        match wanted.content[1:]:
            case ["setting", name]:
                adapter = self._resources.adapter(name)
                return adapter() if callable(adapter) else adapter
            case [str(kind), *_] as content if kind in sqlalchemy.KINDS:
                return sqlalchemy.connect(content, self._resources.names)
        raise codec.DecodeError(f"unknown resource {wanted.content[1:2]}")

    def _is_made(self, wanted: Wanted) -> bool:
        """Return if a resource was made for this call, and not only found."""
        match wanted.content[1:]:
            case ["setting", name]:
                return callable(self._resources.adapter(name))
        return True

    def load(self, parts: codec.Parts | None) -> None:
        """Load what a commit has expired in rows among the arguments."""
        if parts is not None and "sqlalchemy.orm" in sys.modules:
            sqlalchemy.load_expired(parts.values)

    def begin(self, aliases: list[str]) -> None:
        """Begin a transaction for each of these databases of Django's, which the end of the call ends."""
        for alias in aliases:
            block = importlib.import_module("django.db.transaction").atomic(using=alias)
            block.__enter__()
            self._keep(f"atomic {alias}".encode(), Obtained(None, functools.partial(_leave, block)))

    def attach(self, *, uses_database: bool) -> None:
        """Attach rows among the arguments to the session, if there is one alone, or else to that of a registry."""
        if not self.rows:
            return
        sessions = self._resources.sessions(each.value for each in self._obtained.values())
        session = sessions[0] if len(sessions) == 1 else None
        if not sessions and uses_database:
            session = sqlalchemy.registered()
        if session is not None:
            sqlalchemy.attach(session, self.rows)

    def take_commits(self, other: Scope) -> None:
        """Let this call answer for what an earlier one went on to commit."""
        if other.commits:
            self.commits, self.function, self.is_used = self.commits + other.commits, other.function, True
            other.commits = 0

    # --- the end

    def _sessions(self) -> list[Any]:
        """The sessions with changes to come: those that were obtained, and those that the call found itself."""
        obtained = [
            found for each in self._obtained.values() if (found := sqlalchemy.sync_session(each.value))
        ]
        return obtained + [
            session for session in self._found() if all(session is not held for held in obtained)
        ]

    def _found(self) -> list[Any]:
        """The sessions and connections that the call used without being given them, and that have writes to commit."""
        found: list[Any] = [session for session, _ in self.sessions if has_pending(session)]
        for connection in self.connections:
            if hasattr(connection, "in_atomic_block") or connection.closed or not connection.in_transaction():
                continue
            holder = session_of(connection) or connection
            # In a loopback a connection may be the caller's as well; a session is not that begins within the call.
            if not self._resources.is_loopback or any(holder is session for session, _ in self.sessions):
                found.append(holder)
        return list({id(each): each for each in found}.values())

    def flush(self) -> None:
        """Send what sessions have not sent yet, so that rows have the values that they will have."""
        for session in self._sessions():
            if hasattr(session, "flush") and has_pending(session):
                session.flush()

    def end(self, error: BaseException | None) -> None:
        """Commit, or roll back after an exception, and close what was obtained. What is awaited is left."""
        steps = [(each.end, error) for each in reversed(self._obtained.values()) if each.end is not None]
        self._obtained = {key: each for key, each in self._obtained.items() if each.end is None}
        if self.is_used:
            steps.append((self._end_found, error))
        if self.is_used and not self._resources.is_loopback:
            steps += [(self._leave_idle, error), (_close_old_connections, error)]
        failure = None
        for step, argument in steps:
            try:
                step(argument)
            except BaseException as raised:
                failure = failure or raised
        if failure is not None:
            raise failure

    def _end_found(self, error: BaseException | None) -> None:
        for found in self._found() if self.sessions or self.connections else ():
            if not sqlalchemy.is_async(found):
                (found.commit if error is None else found.rollback)()
        for connection in () if self._resources.is_loopback else iterate_open_django(self):
            (connection.commit if error is None else connection.rollback)()

    def _leave_idle(self, _error: BaseException | None) -> None:
        """End transactions that only read and that this thread began: nobody else will."""
        for session, thread in self.sessions:
            is_left = (
                thread == threading.get_ident()
                and session.in_transaction()
                and not sqlalchemy.is_async(session)
            )
            if is_left and not _has_running_loop():
                session.rollback()

    async def end_async(self, error: BaseException | None) -> None:
        """Do all of it."""
        async with contextlib.AsyncExitStack() as stack:
            for found in self._found():
                obtained = [sqlalchemy.sync_session(each.value) for each in self._obtained.values()]
                if sqlalchemy.is_async(found) and all(found is not held for held in obtained):
                    stack.push_async_callback(
                        sqlalchemy.in_greenlet, found.commit if error is None else found.rollback
                    )
            for obtained_here in self._obtained.values():
                if obtained_here.end_async is not None:
                    stack.push_async_callback(obtained_here.end_async, error)
            self._obtained = {k: each for k, each in self._obtained.items() if each.end_async is None}
            stack.callback(self.end, error)

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a plain function in which sessions that are awaited can be used."""
        if "sqlalchemy.ext.asyncio" in sys.modules:
            return await sqlalchemy.in_greenlet(function)
        return function()


def _has_running_loop() -> bool:
    return asyncio._get_running_loop() is not None


def _django_blocks() -> list[str]:
    """The databases of Django's that this thread has a transaction for."""
    connections = sys.modules["django.db"].connections
    return [each.alias for each in connections.all(initialized_only=True) if each.in_atomic_block]


def _close_old_connections(_error: BaseException | None) -> None:
    django = sys.modules.get("django.db")
    if django is not None and not _has_running_loop():
        django.close_old_connections()


def _is_async_context(made: Any) -> bool:
    return isinstance(made, contextlib._AsyncGeneratorContextManager)


def _started(made: Any, is_made: bool) -> Obtained:
    """Return the resource of what a plain adapter returned, and its end."""
    if isinstance(made, contextlib._GeneratorContextManager):
        return Obtained(*_entered(made))
    if inspect.isgenerator(made):
        return Obtained(*_entered(contextlib.contextmanager(lambda: made)()))
    if not is_made:
        return Obtained(made)
    return Obtained(made, *sqlalchemy.ends(made))


def _entered(manager: Any) -> tuple[Any, Callable[[BaseException | None], Any]]:
    value = manager.__enter__()

    def end(error: BaseException | None) -> None:
        try:
            sqlalchemy.commit(value, error)
        except BaseException as failure:
            error = error or failure
            raise
        finally:
            _leave(manager, error)

    return value, end


def _leave(manager: Any, error: BaseException | None) -> None:
    """Leave a context manager; the exception that it is given is raised anyway."""
    try:
        manager.__exit__(None if error is None else type(error), error, None)
    except BaseException as raised:
        if raised is not error:
            raise


async def _started_async(made: Any) -> Obtained:
    manager = made if _is_async_context(made) else contextlib.asynccontextmanager(lambda: made)()
    value = await manager.__aenter__()

    async def end(error: BaseException | None) -> None:
        try:
            await sqlalchemy.commit_async(value, error)
        except BaseException as failure:
            error = error or failure
            raise
        finally:
            try:
                await manager.__aexit__(None if error is None else type(error), error, None)
            except BaseException as raised:
                if raised is not error:
                    raise

    return Obtained(value, None, end)

"""Sessions, connections and engines of SQLAlchemy, and of what is made on top of it.

The callee's session is made by the caller's own `sessionmaker`, if that has a name, else it is one of the same class
and options. Its engine is the callee's own of that name, or its only one of that URL, or one with such a pool.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from splitcost import codec
from splitcost.codec.kinds import is_found
from splitcost.codec.rows import Mapper, mapper_of
from splitcost.databases.transactions import has_pending, only_registry
from splitcost.rehearsal.objects import Names

SESSION, CONNECTION, ENGINE, MAKER = "session", "connection", "engine", "sessionmaker"
REGISTERED = "session of a registry"
KINDS = frozenset({SESSION, CONNECTION, ENGINE, MAKER, REGISTERED})

_OPTIONS = ("autoflush", "expire_on_commit")
_End = Callable[[BaseException | None], Any]


_known: dict[tuple[str, ...], tuple[type, ...]] = {}


def _classes(*names: str) -> Any:
    """The classes of these names, `module:class`, whose modules are imported."""
    known = _known.get(names)
    if known is not None:
        return known
    found = ((sys.modules.get(name.partition(":")[0]), name.partition(":")[2]) for name in names)
    classes = tuple(getattr(module, name) for module, name in found if hasattr(module, name))
    if len(classes) == len(names):
        _known[names] = classes
    return classes


def _session_classes() -> Any:
    return _classes("sqlalchemy.orm:Session", "sqlalchemy.ext.asyncio:AsyncSession")


def _registries() -> Any:
    return _classes("sqlalchemy.orm:scoped_session", "sqlalchemy.ext.asyncio:async_scoped_session")


def _makers() -> Any:
    return _classes("sqlalchemy.orm:sessionmaker", "sqlalchemy.ext.asyncio:async_sessionmaker")


def _connections() -> Any:
    return _classes("sqlalchemy.engine:Connection", "sqlalchemy.ext.asyncio:AsyncConnection")


def _engines() -> Any:
    return _classes("sqlalchemy.engine:Engine", "sqlalchemy.ext.asyncio:AsyncEngine")


def is_session(value: Any) -> bool:
    """Return if a value is a session or a connection, or what stands for the session of this thread."""
    return "sqlalchemy" in sys.modules and isinstance(
        value, (*_session_classes(), *_registries(), *_connections())
    )


def is_nameable(value: Any) -> bool:
    """Return if a value that can be called goes by its name nevertheless."""
    return isinstance(value, (*_makers(), *_registries()))


def sync_session(value: Any) -> Any:
    """Return the session that a value is, or that it has within it."""
    value = getattr(value, "sync_session", value)
    return value if isinstance(value, _classes("sqlalchemy.orm:Session")) else None


def of_thread(value: Any) -> Any:
    """Return what a value is on this thread: the session of one that stands for that."""
    return value.registry() if isinstance(value, _registries()) else value


def is_async(value: Any) -> bool:
    """Return if the statements of a session or a connection are awaited."""
    try:
        bind = value.get_bind() if hasattr(value, "get_bind") else value
    except Exception:  # It has several.
        return False
    return bool(getattr(bind.dialect, "is_async", False))


async def in_greenlet(function: Callable[[], Any]) -> Any:
    """Call a plain function that may use sessions whose statements are awaited."""
    from sqlalchemy.util import greenlet_spawn

    return await greenlet_spawn(function)


# --- the caller


def describe(value: Any, names: Names) -> list[Any] | None:
    """Return what stands for a session, a connection, an engine or a maker of sessions."""
    if "sqlalchemy" not in sys.modules:
        return None
    value = of_thread(value)
    if isinstance(value, _session_classes()):
        return _describe_session(value, names) or _describe_registered(value, names)
    if isinstance(value, _connections()):
        engine = _describe_engine(value.engine, names)
        return None if engine is None else [CONNECTION, engine]
    if isinstance(value, _engines()):
        engine = _describe_engine(value, names)
        return None if engine is None else [ENGINE, engine]
    if isinstance(value, _makers()):
        options = {name: value.kw[name] for name in _OPTIONS if name in value.kw}
        made = _describe_class(value.class_, names, value.kw.get("bind"), options)
        return None if made is None else [MAKER, *made]
    return None


def _describe_session(value: Any, names: Names) -> list[Any] | None:
    sync = value.sync_session if hasattr(value, "sync_session") else value
    options = {name: getattr(sync, name) for name in _OPTIONS}
    if "info" in vars(sync) and sync.info:
        with contextlib.suppress(codec.CannotCross):
            options["info"] = codec.encode(sync.info).decode()
    binds = _binds(value, sync)
    found = {name: _describe_engine(bind, names) for name, bind in binds.items()}
    if None in found.values():
        return None
    made = _describe_class(type(value), names, value.bind, options)
    return None if made is None or not (made[0] or made[2] or found) else [SESSION, *made, found]


def _describe_registered(value: Any, names: Names) -> list[Any] | None:
    """The name of the registry that has a session for this thread: its class may find engines as no other does."""
    name = names.find_name(only_registry()) if registered() is value else None
    return None if name is None else [REGISTERED, name]


def registered() -> Any:
    """Return the session that the only registry of this process has for this thread or context, if it can have one."""
    registry = only_registry()
    try:
        return None if registry is None else registry()
    except Exception:  # It wants a context of Flask's, where none is.
        return None


def _binds(value: Any, sync: Any) -> dict[str, Any]:
    """The engines of a session by the class that they are for."""
    held = getattr(value, "binds", None) or getattr(sync, "_Session__binds", None) or {}
    return {codec.name_of(kind): bind for kind, bind in held.items() if isinstance(kind, type)}


_made_by: weakref.WeakKeyDictionary[type, tuple[str | None, str]] = weakref.WeakKeyDictionary()


def _describe_class(kind: type, names: Names, bind: Any, options: dict[str, Any]) -> list[Any] | None:
    """The name of the maker or the class of a session, and its engine and options."""
    made_by = _made_by.get(kind)
    if made_by is None:
        maker, found = None, _find_base(kind)
        if found is not kind:
            # A maker has a class of its own.
            place = names.find_name(kind)
            maker = place.removesuffix("/class_") if place is not None and place.endswith("/class_") else None
        made_by = _made_by[kind] = maker, codec.name_of(found)
    engine = None
    if bind is not None and (engine := _describe_engine(bind, names)) is None:
        return None
    return [*made_by, engine, options]


def _find_base(kind: type) -> type:
    """Return the nearest class that the other side finds by its name."""
    return next((base for base in kind.__mro__ if is_found(base)), kind)


_described: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def _describe_engine(engine: Any, names: Names) -> list[Any] | None:
    """The name of an engine, or its URL, its options and the class of its pool; ``None`` where no other process has its
    database.
    """
    described = _described.get(engine)
    if described is None and (described := _find_engine(engine, names)) is not None:
        _described[engine] = described
    return described


def _find_engine(engine: Any, names: Names) -> list[Any] | None:
    if not isinstance(engine, _engines()):
        return None  # A session of one connection is in the transaction of whoever made that.
    if _is_in_memory(engine.url):
        return None
    sync = getattr(engine, "sync_engine", engine)
    name, options = names.find_name(engine), {}
    if name is None and hasattr(sync, "_proxied"):
        # Made of another one by `execution_options`.
        base = sync._proxied
        options = {
            key: item for key, item in sync.get_execution_options().items() if type(item) in (str, int, bool)
        }
        if engine is sync:
            name = names.find_name(base)
    is_awaited = engine is not sync
    url = None if name is not None else engine.url.render_as_string(hide_password=False)
    pool = type(sync.pool)
    return [name, url, options, is_awaited, codec.name_of(pool) if is_found(pool) else None]


def _is_in_memory(url: Any) -> bool:
    is_named = url.database not in (None, "", ":memory:") and "mode" not in url.query
    return bool(url.get_backend_name() == "sqlite") and not is_named


# --- the callee


def make(content: list[Any], names: Names) -> tuple[Any, _End | None, _End | None] | None:
    """Return the callee's own, and its end, where no statement is needed; ``None`` for a connection."""
    if content[0] == ENGINE:
        return _engine(content[1], names), None, None
    if content[0] == MAKER:
        return _make_maker(content, names), None, None
    if content[0] == SESSION:
        session = _make_session(content, names)
        return (session, *ends(session))
    return None


def connect(content: list[Any], names: Names) -> Any:
    """Return a connection as a context manager or, for an asynchronous one, what is to be awaited.

    Of a registry it is the session for the thread that calls.
    """
    if content[0] == REGISTERED:
        return names.find(content[1])()
    engine = _engine(content[1], names)
    if hasattr(engine, "sync_engine"):
        return contextlib.asynccontextmanager(functools.partial(_connected_async, engine))()
    return contextlib.contextmanager(functools.partial(_connected, engine))()


def _connected(engine: Any) -> Iterator[Any]:
    with engine.connect() as connection:
        yield connection
        if connection.in_transaction():
            connection.commit()


async def _connected_async(engine: Any) -> Any:
    async with engine.connect() as connection:
        yield connection
        if connection.in_transaction():
            await connection.commit()


def _options(described: dict[str, Any]) -> dict[str, Any]:
    options = dict(described)
    if "info" in options:
        options["info"] = codec.decode(options["info"].encode())
    return options


def _make_session(content: list[Any], names: Names) -> Any:
    _, maker, kind, engine, described, binds = content
    options = _options(described)
    if maker is not None:
        made = names.find(maker)
        if engine is not None and (bind := _engine(engine, names)) is not made.kw.get("bind"):
            options["bind"] = bind
        return made(**options)
    if engine is not None:
        options["bind"] = _engine(engine, names)
    if binds:
        options["binds"] = {codec.resolve(name): _engine(bind, names) for name, bind in binds.items()}
    return codec.resolve(kind)(**options)


def _make_maker(content: list[Any], names: Names) -> Any:
    _, _, kind, engine, described = content
    cls = codec.resolve(kind)
    awaited = _classes("sqlalchemy.ext.asyncio:AsyncSession")
    name = "sqlalchemy.ext.asyncio:async_sessionmaker"
    is_awaited = bool(awaited) and issubclass(cls, awaited[0])
    (maker,) = _classes(name if is_awaited else "sqlalchemy.orm:sessionmaker")
    bind: Any = None if engine is None else _engine(engine, names)
    made: Any = maker
    return made(bind, class_=cls, **_options(described))


_engines_by_url: dict[tuple[str, bool], Any] = {}


def _engine(described: list[Any], names: Names) -> Any:
    name, url, options, is_awaited, pool = described
    if name is not None:
        engine = names.find(name)
    else:
        engine = _engines_by_url.get((url, is_awaited))
        if engine is None:
            found = _own_engine(url, is_awaited) or _create(url, is_awaited, pool)
            engine = _engines_by_url.setdefault((url, is_awaited), found)
    return engine.execution_options(**options) if options else engine


def _own_engine(url: str, is_awaited: bool) -> Any:
    """Return the engine that the app has for a database in this process, with its pool and its listeners, if any.

    An app may keep it where no name leads, as in a dictionary by event loop. Of several nobody knows which is meant.
    """
    kinds = _classes("sqlalchemy.ext.asyncio:AsyncEngine" if is_awaited else "sqlalchemy.engine:Engine")
    found = [
        engine
        for engine in gc.get_objects()
        # An asynchronous engine has another one within it.
        if type(engine) in kinds
        and engine.dialect.is_async == is_awaited
        and engine.url.render_as_string(hide_password=False) == url
    ]
    return found[0] if len(found) == 1 else None


def _create(url: str, is_awaited: bool, pool: str | None) -> Any:
    poolclass = None if pool is None else codec.resolve(pool)
    if is_awaited:
        from sqlalchemy.ext.asyncio import create_async_engine

        return create_async_engine(url, poolclass=poolclass)
    from sqlalchemy import create_engine

    return create_engine(url, poolclass=poolclass)


# --- the end


def ends(value: Any) -> tuple[_End | None, _End | None]:
    """Return how something that was made for a call ends: at once, or by what is to be awaited."""
    if isinstance(value, _classes("sqlalchemy.orm:Session", "sqlalchemy.engine:Connection")):
        return functools.partial(_end, value), None
    if isinstance(
        value, _classes("sqlalchemy.ext.asyncio:AsyncSession", "sqlalchemy.ext.asyncio:AsyncConnection")
    ):
        return None, functools.partial(_end_async, value)
    if isinstance(value, _registries()):
        return (None, None)
    if callable(getattr(value, "aclose", None)):
        return None, lambda _error: value.aclose()
    if callable(getattr(value, "close", None)):
        return lambda _error: value.close(), None
    return None, None


def _end(value: Any, error: BaseException | None) -> None:
    try:
        commit(value, error)
    finally:
        value.close()


async def _end_async(value: Any, error: BaseException | None) -> None:
    try:
        await commit_async(value, error)
    finally:
        await value.close()


def commit(value: Any, error: BaseException | None) -> None:
    """Commit the transaction of a session or a connection, or roll it back after an exception."""
    if isinstance(value, _classes("sqlalchemy.orm:Session", "sqlalchemy.engine:Connection")) and (
        value.in_transaction() or (hasattr(value, "new") and has_pending(value))
    ):
        (value.commit if error is None else value.rollback)()


async def commit_async(value: Any, error: BaseException | None) -> None:
    """Do the same for one whose statements are awaited."""
    kinds = _classes("sqlalchemy.ext.asyncio:AsyncSession", "sqlalchemy.ext.asyncio:AsyncConnection")
    if isinstance(value, kinds):
        if value.in_transaction():
            await (value.commit if error is None else value.rollback)()
    else:
        commit(value, error)


# --- rows


def attach(session: Any, rows: Iterable[Any]) -> None:
    """Attach rows that a message brought to a session."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import InvalidRequestError

    for row in rows:
        if hasattr(type(row), "_sa_class_manager") and inspect(row).detached:
            _forget_new(row)
            with contextlib.suppress(InvalidRequestError):  # The same one came twice.
                session.add(row)


def _mapper(row: Any) -> Mapper:
    kind: Any = type(row)
    mapper = mapper_of(kind)
    assert mapper is not None
    return mapper


def _forget_new(row: Any) -> None:
    """Let a row of a database load its relations where the message left rows of it new: they would be written twice."""
    from sqlalchemy import inspect

    mapper, expired = _mapper(row), []
    for name, held in mapper.relations(row).items():
        related = held if type(held) in (list, set) else [held]
        if any(each is not None and inspect(each).transient for each in related):
            expired.append(name)
    if expired:
        state = inspect(row)
        state._expire_attributes(state.dict, expired)


def adopt(session: Any, row: Any) -> Any:
    """Return a row that a message brought as one of a session: if this has a row of its key, that is changed."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.orm.attributes import set_committed_value

    state, mapper = inspect(row), _mapper(row)
    relations = mapper.relations(row)
    try:
        if not relations and state.key not in session.identity_map:
            session.add(row)
            return row
        merged = session.merge(row, load=False)
    except (
        InvalidRequestError
    ):  # The session has another one of the key that is changed, or is of another thread.
        return row
    held = inspect(merged).dict
    for name, related in relations.items():
        if name not in held:  # Merging does not go along it.
            set_committed_value(merged, name, related)
    held.update({name: part for name, part in state.dict.items() if mapper.is_own(name)})
    return merged


def load_expired(rows: Iterable[Any]) -> None:
    """Load the columns of attached rows that a commit has expired, so that their new values go back."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    for row in rows:
        if hasattr(type(row), "_sa_class_manager"):
            state = inspect(row)
            if state.persistent and state.expired_attributes:
                with contextlib.suppress(SQLAlchemyError):
                    state.session.refresh(
                        row, state.expired_attributes.intersection(state.mapper.column_attrs.keys())
                    )


def expire(session: Any) -> None:
    """Expire the rows of a caller's session as a commit in it would have done."""
    if isinstance(session, _classes("sqlalchemy.orm:Session")) and session.expire_on_commit:
        session.expire_all()

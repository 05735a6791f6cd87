"""The work of a library on connections, beside the statements: it opens one or takes it from its pool, commits, and
closes it or gives it back.

A service that answers a call does so for itself, where in one process a request does it once. Connections that the app
keeps or opens by itself are not seen: they are its own work.
"""

from __future__ import annotations

import functools
import weakref
from types import ModuleType
from typing import Any

from splitcost import _native
from splitcost._guard import attempt

__all__ = ["follow_commits", "follow_django", "follow_sqlalchemy"]


class _Stretch:
    """The wall and CPU time of a block, on one thread; nanoseconds."""

    __slots__ = ("cpu", "start", "wall")

    def __enter__(self) -> _Stretch:
        self.start, self.cpu = _native.clocks()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = _native.clocks()
        self.wall = wall - self.start
        self.cpu = min(max(cpu - self.cpu, 0), self.wall)


#: By what stands for a connection that is in use: the call that got it, and what that took.
_in_use: weakref.WeakKeyDictionary[Any, tuple[int, _Stretch]] = weakref.WeakKeyDictionary()


def _got(connection: Any, took: _Stretch) -> None:
    """Note that the running call got a connection, if one runs."""
    running = _native.running()
    if running is None:
        _in_use.pop(connection, None)
    else:
        _in_use[connection] = running[1], took


def _gave_back(connection: Any, took: _Stretch) -> None:
    """Note that a connection was closed or given back: what this and getting it took is known now."""
    got = _in_use.pop(connection, None)
    if got is not None:
        call, getting = got
        _native.note_connection(call, False, getting.start, getting.wall + took.wall, getting.cpu + took.cpu)


def _committed(took: _Stretch) -> None:
    running = _native.running()
    if running is not None:
        _native.note_connection(running[1], True, took.start, took.wall, took.cpu)


def _follow_commit(kind: Any, name: str) -> None:
    original = getattr(kind, name)

    @functools.wraps(original)
    def commit(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _Stretch() as took:
            result = original(self, *args, **kwargs)
        attempt(_committed, took)
        return result

    setattr(kind, name, commit)


def follow_django(module: ModuleType) -> None:
    """Follow connections of Django. Those that outlive a request, as with ``CONN_MAX_AGE``, are not got by it."""
    base = module.BaseDatabaseWrapper
    connect, close = base.connect, base.close

    @functools.wraps(connect)
    def followed_connect(self: Any) -> Any:
        if self.settings_dict.get("CONN_MAX_AGE") != 0:
            return connect(self)
        with _Stretch() as took:
            result = connect(self)
        attempt(_got, self, took)
        return result

    @functools.wraps(close)
    def followed_close(self: Any) -> Any:
        with _Stretch() as took:
            result = close(self)
        attempt(_gave_back, self, took)
        return result

    base.connect, base.close = followed_connect, followed_close
    _follow_commit(base, "_commit")


def follow_sqlalchemy(module: ModuleType) -> None:
    """Follow the connections that SQLAlchemy takes from its pools, which may open them for that."""
    pool, fairy = module.Pool, module._ConnectionFairy
    connect, checkin = pool.connect, fairy._checkin

    @functools.wraps(connect)
    def followed_connect(self: Any) -> Any:
        with _Stretch() as took:
            connection = connect(self)
        attempt(_got, connection, took)
        return connection

    @functools.wraps(checkin)
    def followed_checkin(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _Stretch() as took:
            result = checkin(self, *args, **kwargs)
        attempt(_gave_back, self, took)
        return result

    pool.connect, fairy._checkin = followed_connect, followed_checkin


def follow_commits(module: ModuleType) -> None:
    """Follow the commits of SQLAlchemy's connections."""
    for name in ("_commit_impl", "_commit_twophase_impl"):
        _follow_commit(module.Connection, name)

"""Database drivers: the statements that an app executes are noted where its driver executes them. So are the commands
that it sends to Redis.

Every layer above a driver (SQLAlchemy, the Django ORM) is thereby seen, and no statement is seen twice. Read
``statements.py`` first, then the file of a driver; ``transactions.py`` for what is not committed. A file is imported
when the app imports its library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

__all__ = ["HOOKS"]

#: The module of a library after whose import hooks run → the file here that has each hook, and its name there.
_HOOKS = {
    "sqlite3": "sqlite:follow",
    "aiosqlite.core": "aiosqlite:follow",
    "psycopg": "psycopg:follow",
    "psycopg2.extensions": "psycopg2:follow",
    "asyncpg.connection": "asyncpg:follow",
    "pymysql.cursors": "mysql:follow",
    "pymysql.connections": "mysql:follow_connections",
    "aiomysql.connection": "mysql:follow_connections",
    "aiomysql.cursors": "mysql:follow_later",
    "MySQLdb.connections": "mysqlclient:follow",
    "redis.client": "redis:follow",
    "redis.asyncio.client": "redis:follow_later",
    "django.db.models.base": "django:follow",
    "sqlalchemy.orm.mapper": "sqlalchemy:follow",
    "sqlalchemy.orm.relationships": "sqlalchemy:follow_relationships",
    "sqlalchemy": "uncommitted:follow",
    "sqlalchemy.orm": "uncommitted:follow",
    "django.db.backends.utils": "uncommitted:follow",
    "django.db.backends.base.base": "uncommitted:follow connections:follow_django",
    "sqlalchemy.pool.base": "connections:follow_sqlalchemy",
    "sqlalchemy.engine.base": "connections:follow_commits",
}


def _hook(places: str) -> Callable[[ModuleType], None]:
    def hook(module: ModuleType) -> None:
        for place in places.split():
            file, _, name = place.partition(":")
            getattr(importlib.import_module(f"{__name__}.{file}"), name)(module)

    return hook


HOOKS = {module: _hook(places) for module, places in _HOOKS.items()}

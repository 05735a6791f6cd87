"""Database drivers: the statements that an app executes are noted where its driver executes them.

Every layer above a driver (SQLAlchemy, the Django ORM) is thereby seen, and no statement is seen twice. Read
``statements.py`` first, then the file of a driver. A file is imported when the app imports its library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

__all__ = ["HOOKS"]

#: The module of a library after whose import a hook runs → the file here that has the hook.
_FILES = {
    "sqlite3": "sqlite",
    "aiosqlite.core": "aiosqlite",
    "psycopg": "psycopg",
    "psycopg2.extensions": "psycopg2",
    "asyncpg.connection": "asyncpg",
    "django.db.models.base": "django",
    "sqlalchemy.orm.mapper": "sqlalchemy",
}


def _hook(file: str) -> Callable[[ModuleType], None]:
    def hook(module: ModuleType) -> None:
        importlib.import_module(f"{__name__}.{file}").follow(module)

    return hook


HOOKS = {module: _hook(file) for module, file in _FILES.items()}

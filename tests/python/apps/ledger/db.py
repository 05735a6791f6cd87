"""The database and its tables."""

import os
import time

from sqlalchemy import create_engine, inspect
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

_FILE = os.environ["LEDGER_DATABASE"]

# Requests use two connections at the same time: with a limit they would wait for each other.
_OPTIONS = {"connect_args": {"timeout": 60}, "poolclass": NullPool}
engine = create_engine(f"sqlite:///{_FILE}", **_OPTIONS)
async_engine = create_async_engine(f"sqlite+aiosqlite:///{_FILE}", **_OPTIONS)
with engine.connect() as connection:
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
if not inspect(engine).has_table("entry"):
    time.sleep(0.5)  # As a migration that takes its time, and expects to be alone.
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE entry (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)")
        connection.exec_driver_sql("INSERT INTO entry VALUES (1, 0)")

Session = sessionmaker(engine)
AsyncSession = async_sessionmaker(async_engine)
current = scoped_session(Session)


class Base(DeclarativeBase):
    """The tables."""


class Entry(Base):
    """An entry of the ledger."""

    __tablename__ = "entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]

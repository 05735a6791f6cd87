"""Engines and session factories for the one SQLite file.

A service function opens its own session with `sync_session()` or `async_session()`, unless a caller hands it
one so that both belong to one transaction.

- Async sessions are for reading and for single writes: each statement is a transaction of its own, so no lock
  is held while a coroutine waits for its turn on the event loop.
- A transaction of several writes is synchronous and holds `writer`: SQLite has one writer at a time, and
  queueing for it here is fair, where SQLite would poll. It asks no other module to write meanwhile.
"""

import threading
import warnings
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, create_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.config import settings

BUSY_TIMEOUT_MILLIS = 5_000

# Amounts have two decimals and twelve digits: they survive SQLite's 64-bit floats unchanged.
warnings.filterwarnings(
    "ignore", message=".*does \\*not\\* support Decimal objects natively", category=SAWarning
)

writer = threading.Lock()

# Pools never overflow: a connection costs a file handle and, for aiosqlite, a thread, so they are kept.
engine = create_engine(f"sqlite:///{settings.database}", pool_size=50, max_overflow=0)
async_engine = create_async_engine(
    f"sqlite+aiosqlite:///{settings.database}",
    isolation_level="AUTOCOMMIT",
    skip_autocommit_rollback=True,
    pool_size=20,
    max_overflow=0,
)

sync_session = sessionmaker(engine, class_=Session, expire_on_commit=False)
async_session = async_sessionmaker(async_engine, class_=AsyncSession, expire_on_commit=False)


@event.listens_for(engine, "connect")
@event.listens_for(async_engine.sync_engine, "connect")
def _configure_connection(connection: Any, _record: Any) -> None:
    """Let readers and the writer work side by side, and writers queue instead of failing."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MILLIS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()

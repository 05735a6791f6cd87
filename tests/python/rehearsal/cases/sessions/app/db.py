"""The database of the app."""
import contextlib
import os

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlmodel import Session, create_engine
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette

PLACE = os.environ["CASE_DATABASE"]
if os.path.isdir(PLACE):
    engine = create_engine(f"postgresql+psycopg://postgres@/postgres?host={PLACE}")
    async_engine = create_async_engine(engine.url)
else:
    engine = create_engine(f"sqlite:///{PLACE}", connect_args={"timeout": 1})
    async_engine = create_async_engine(f"sqlite+aiosqlite:///{PLACE}", connect_args={"timeout": 1})
LocalSession = sessionmaker(engine, class_=Session, autoflush=False)
KeptSession = sessionmaker(engine, class_=Session, expire_on_commit=False)
AsyncLocalSession = async_sessionmaker(async_engine, class_=AsyncSession, expire_on_commit=False)
kept = {}


def kept_engine():
    """An engine that no name leads to, as apps keep one for each event loop."""
    if None not in kept:
        option = "application_name" if os.path.isdir(PLACE) else "timeout"
        kept[None] = create_engine(engine.url.set(query={**engine.url.query, option: "3"}))
    return kept[None]


kept_engine()
registry = scoped_session(sessionmaker(engine, class_=Session))


app = Starlette()


class Ledger:
    """A client with a type of its own, which is adapted as the settings say."""

    def __init__(self, note):
        self.note = note
        self.lock = contextlib.nullcontext()


made = []


def ledgers():
    made.append("open")
    try:
        yield Ledger("of the callee")
    except BaseException as error:
        made.append(repr(error))
        raise
    finally:
        made.append("closed")


class Special(Session):
    """A session that is adapted by a context manager."""


class Shared(Ledger):
    """Adapted by an object."""


class Closed(Ledger):
    """Adapted by a function, and closed."""

    def close(self):
        steps.append("closed")


class Awaited(Ledger):
    """Adapted by a coroutine function."""


class Generated(Ledger):
    """Adapted by an asynchronous generator function."""


steps = []


@contextlib.contextmanager
def special():
    steps.append("entered")
    try:
        with Special(engine) as session:
            yield session
    except BaseException as error:
        steps.append(f"left by {type(error).__name__}")
        raise
    steps.append("left")


shared = Shared("shared")


def closed():
    return Closed("made")


async def awaited():
    return Awaited("awaited")


async def generated():
    yield Generated("generated")
    steps.append("generated and closed")

"""The other service."""
import asyncio
import contextlib
import logging
import os

from sqlalchemy import text
from sqlalchemy.orm import joinedload
from sqlmodel import select

from app import db, kinds


def where():
    return os.getpid()


def variables():
    return kinds.tenant.get(), getattr(kinds.per_thread, "name", None), os.getpid()


async def tenant_later():
    return kinds.tenant.get(), getattr(kinds.per_thread, "name", None), os.getpid()


class Keeper:
    """One object for each process, made when it is asked for."""

    def __init__(self):
        self.asked = 0


_keeper = None


def keeper():
    global _keeper
    if _keeper is None:
        _keeper = Keeper()
    return _keeper


def asked(keeper):
    return _keeper.asked if keeper is _keeper else None, os.getpid()


@contextlib.contextmanager
def noting():
    notes = ["begin"]
    yield notes
    notes.append("end")


async def grow(basket, item):
    await asyncio.sleep(0)
    basket.items.append({"item": item})
    return len(basket.items)


class Board:
    """Lives at module level, and goes by its name."""

    def __init__(self):
        self.notes = []


board = Board()


@contextlib.contextmanager
def on_board():
    yield board
    board.notes.append(os.getpid())


def add_by_variable(title):
    kinds.session.get().add(kinds.Book(title=title))
    return os.getpid()


def log(registry, title):
    registry.add(kinds.Book(title=title))
    return os.getpid()


def find_in(registry, title):
    return find(registry, title)


def add(session, title):
    book = kinds.Book(title=title)
    session.add(book)
    return book


def add_and_fail(session, title):
    session.add(kinds.Book(title=title))
    session.flush()
    raise kinds.Unsold(title)


def facts(session):
    """The process, class and options of a session."""
    return {
        "pid": os.getpid(),
        "class": f"{type(session).__mro__[1].__module__}.{type(session).__mro__[1].__name__}",
        "engine": session.bind is db.engine,
        "autoflush": session.autoflush,
        "expire": session.expire_on_commit,
    }


def is_of_kept_engine(session):
    return session.bind is db.kept[None], os.getpid()


def same(one, other):
    return one is other, os.getpid()


def count(session):
    return len(session.scalars(select(kinds.Book)).all()), os.getpid()


def put(session, row):
    session.add(row)
    session.commit()
    return os.getpid()


def put_and_fail(session, row):
    session.add(row)
    session.flush()
    raise kinds.Unsold(row.title)


def put_new(session, title):
    shelf = kinds.Shelf(name=title, books=[kinds.Book(title=title)])
    session.add(shelf)
    session.flush()
    return shelf


def find(session, title):
    return session.scalars(select(kinds.Book).where(kinds.Book.title == title)).first()


def find_with_shelf(session, title):
    books = select(kinds.Book).options(joinedload(kinds.Book.shelf))
    return list(session.scalars(books.where(kinds.Book.title == title))), os.getpid()


def find_implicitly(title):
    return find(db.registry, title)


async def put_later(session, row):
    session.add(row)
    await session.commit()
    return os.getpid()


def retitle(book, title):
    book.title = title
    return os.getpid()


def sell(session, book):
    session.refresh(book)
    book.sold += 1
    session.commit()
    return os.getpid()


def shelf_of(session, book):
    return book.shelf.name, os.getpid()


def remove(session, book):
    session.delete(book)
    return os.getpid()


def fill(library, title):
    library.session.add(kinds.Book(title=title))
    library.added += 1
    return os.getpid()


def titles(session):
    for book in session.scalars(select(kinds.Book).order_by(kinds.Book.id)):
        yield book.title, os.getpid()


def add_each(session, titles):
    for title in titles:
        session.add(kinds.Book(title=title))
        session.flush()
        yield os.getpid()


async def add_later(session, title):
    book = kinds.Book(title=title)
    session.add(book)
    return book


async def add_later_and_fail(session, title):
    session.add(kinds.Book(title=title))
    await session.flush()
    raise kinds.Unsold(title)


async def books_later(session):
    return [book.title for book in (await session.exec(select(kinds.Book))).all()], os.getpid()


def pid_and_count(connection):
    connection.execute(text("INSERT INTO book (title, sold) VALUES ('by connection', 0)"))
    return connection.execute(text("SELECT count(*) FROM book")).scalar(), os.getpid()


async def insert_by_connection(connection):
    await connection.execute(text("INSERT INTO book (title, sold) VALUES ('by connection', 0)"))
    return os.getpid()


def url_of(engine):
    return str(engine.url), engine is db.engine, os.getpid()


def add_by(maker, title):
    with maker() as session:
        session.add(kinds.Book(title=title))
        session.commit()
        return session.autoflush, os.getpid()


def add_implicitly(title):
    db.registry.add(kinds.Book(title=title))
    return os.getpid()


def add_implicitly_and_fail(title):
    db.registry.add(kinds.Book(title=title))
    db.registry.flush()
    raise kinds.Unsold(title)


def read_implicitly():
    return [book.title for book in db.registry.scalars(select(kinds.Book))], os.getpid()


def note(ledger):
    return ledger.note, os.getpid()


def note_and_fail(ledger):
    raise kinds.Unsold(ledger.note)


def made():
    return db.made


def rows(books):
    return [book.title for book in books], os.getpid()


def log_by(logger):
    return logger.name, os.getpid()


def extra_of(adapter):
    return [adapter.logger.name, adapter.extra], os.getpid()


def sell_by_id(session, book_id):
    session.get(kinds.Book, book_id).sold += 1


async def read_request(request):
    try:
        body = await request.json()
    except RuntimeError as error:
        body = str(error)
    return {
        "pid": os.getpid(),
        "path": request.url.path,
        "arg": request.query_params["arg"],
        "header": request.headers["x-asked"],
        "tenant": request.state.tenant,
        "lock": hasattr(request.state, "lock"),
        "app": request.app is db.app,
        "body": body,
    }


def steps():
    return db.steps


async def note_later(ledger):
    return ledger.note, os.getpid()


def logger():
    return logging.getLogger("of the vault")


@contextlib.contextmanager
def adding(session, title):
    session.add(kinds.Book(title=title))
    yield os.getpid()
    session.flush()


@contextlib.asynccontextmanager
async def adding_later(session, title):
    session.add(kinds.Book(title=title))
    yield os.getpid()
    await session.flush()

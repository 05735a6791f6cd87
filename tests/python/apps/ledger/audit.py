"""The other service."""

from sqlalchemy import func, select

from ledger.db import Entry, current, engine


def is_filled(session):
    return session.scalar(select(func.count(Entry.id))) > 0


async def is_filled_async(session):
    return await session.scalar(select(func.count(Entry.id))) > 0


def is_found():
    return current.get(Entry, 1) is not None


def is_listed():
    with engine.connect() as connection:
        return connection.scalar(select(func.count(Entry.id))) > 0


def enter(session, amount):
    session.add(Entry(amount=amount))


def stamp(amount):
    return amount * 2

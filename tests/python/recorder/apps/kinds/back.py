"""Takes values."""

import contextlib


def take(value):
    return value


def apply(function, order):
    function(order)


def enter(manager):
    with contextlib.ExitStack() as stack:
        stack.enter_context(manager)


def mark():
    """Stands between the calls of two cases."""


def query(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    return cursor.fetchall()


def query_engine(engine, statement):
    with engine.connect() as connection:
        return connection.execute(statement).all()

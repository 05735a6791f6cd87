"""Connections and cursors of the app's own, as libraries let them be extended."""

import sqlite3


class Cursor(sqlite3.Cursor):
    def execute(self, sql, parameters=()):
        return super().execute(sql, parameters)

    def names(self):
        return [name for (name,) in super().execute("SELECT name FROM sqlite_master")]


class Connection(sqlite3.Connection):
    def cursor(self, factory=Cursor):
        return super().cursor(factory)


def listener(connection, cursor, statement, parameters, context, many):
    """Is called by SQLAlchemy for each statement."""


class Counter:
    """Wraps the execution of statements of Django."""

    def __init__(self):
        self.count = 0

    def __call__(self, execute, sql, params, many, context):
        self.count += 1
        return execute(sql, params, many, context)


def blocker(execute, sql, params, many, context):
    return execute(sql, params, many, context)

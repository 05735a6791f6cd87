"""Rows, and values."""
import contextvars
import threading

from sqlalchemy.orm import configure_mappers
from sqlmodel import Field, Relationship, SQLModel


class Shelf(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    books: list["Book"] = Relationship(back_populates="shelf")


class Book(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    sold: int = 0
    shelf_id: int | None = Field(default=None, foreign_key="shelf.id")
    shelf: Shelf | None = Relationship(back_populates="books")


configure_mappers()


tenant = contextvars.ContextVar("tenant", default="nobody")
session = contextvars.ContextVar("session")
per_thread = threading.local()


class Unsold(Exception):
    pass


class Basket:
    """An object that several calls change at the same time."""

    def __init__(self):
        self.items = []


class Library:
    """A service object, made for a request."""

    def __init__(self, session):
        self.session = session
        self.added = 0

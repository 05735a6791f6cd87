"""Rows of object-relational mappers, and the resources of libraries."""

import datetime
import threading

import attrs
import dateutil.tz
import django
import flask
import markupsafe
import msgspec
import multidict
import pydantic
import redis
import sqlalchemy
import yarl
from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.template import RequestContext
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import SafeString
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker
from starlette import datastructures
from starlette.requests import Request
from werkzeug.datastructures import Headers, MultiDict

LIBRARIES = (
    dateutil,
    multidict,
    datastructures,
    RequestContext,
    lazystr,
    SafeString,
    markupsafe,
    Headers,
    MultiDict,
    yarl,
)

if not settings.configured:  # Another test's app may have done so in this process.
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DATABASE_ROUTERS=["kinds.rows.Router"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    lines: Mapped[list["OrderLine"]] = relationship(back_populates="order")

    def total(self):
        return 1

    def rename(self):
        self.name = "d"


class OrderLine(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sqlalchemy.ForeignKey("orders.id"))
    order: Mapped[Order] = relationship(back_populates="lines")


class Task(Base):
    """A row with a relation of the name under which Django keeps its own state."""

    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    _state: Mapped["TaskState"] = relationship()


class TaskState(Base):
    __tablename__ = "states"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    task_id: Mapped[int] = mapped_column(sqlalchemy.ForeignKey("tasks.id"))


class Person(models.Model):
    name = models.CharField(max_length=9)

    class Meta:
        app_label = "kinds"

    def total(self):
        return 1


class Pet(models.Model):
    owner = models.ForeignKey(Person, models.CASCADE)

    class Meta:
        app_label = "kinds"


@attrs.define
class Attrs:
    amount: int


@attrs.define(slots=False)
class AttrsDict:
    amount: int


class Struct(msgspec.Struct):
    amount: int


engine = sqlalchemy.create_engine("sqlite://")
Base.metadata.create_all(engine)
maker = sessionmaker(engine)
session = Session(engine)
order = Order(id=1, name="a", lines=[OrderLine(id=1), OrderLine(id=2)])
session.add(order)
session.commit()
loaded = session.get(Order, 1)
assert loaded.name == "a"
with_lines = Order(id=2, name="b", lines=[OrderLine(id=3), OrderLine(id=4)])
client = redis.Redis()
app = flask.Flask(__name__)
flask_request = app.test_request_context("/").request
starlette_request = Request({"type": "http", "headers": []})
django_request = HttpRequest()
proxy = flask.request
parsed = pydantic.TypeAdapter(datetime.datetime).validate_python("2026-01-01T00:00:00+02:00")


class Router:
    """Django calls it for each query."""

    def __init__(self):
        self.lock = threading.Lock()

    def db_for_read(self, model, **hints):
        return None

    def allow_migrate(self, database, *_more, **_hints):
        return None


def of_result():
    return session.execute(sqlalchemy.select(Order.id, Order.name)).first()


def lazy_row(is_made):
    row = SimpleLazyObject(lambda: Person(name="a"))
    if is_made:
        assert row.name == "a"
    return row

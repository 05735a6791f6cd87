"""Rows of SQLAlchemy and of Django."""

import dataclasses

import django
import sqlalchemy
from django.conf import settings
from django.db import models
from sqlalchemy import ForeignKey
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    attribute_keyed_dict,
    composite,
    mapped_column,
    registry,
    relationship,
)

if not settings.configured:  # Another test's app may have done so in this process.
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()


class Base(DeclarativeBase):
    pass


@dataclasses.dataclass
class Place:
    street: str
    town: str


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    friend_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    friend: Mapped["Customer | None"] = relationship(remote_side=[id])
    street: Mapped[str] = mapped_column(default="")
    town: Mapped[str] = mapped_column(default="")
    place: Mapped[Place] = composite("street", "town")
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    note: Mapped[str] = mapped_column(default="long", deferred=True)
    remark: Mapped[str | None]
    amount: Mapped[int] = mapped_column(server_default="5")
    options: Mapped[dict] = mapped_column(MutableDict.as_mutable(sqlalchemy.JSON), default=dict)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    customer: Mapped[Customer | None] = relationship(back_populates="orders")
    lines: Mapped[list["Line"]] = relationship(back_populates="order")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "order"}

    @hybrid_property
    def label(self):
        return f"{self.kind} {self.id}"


class RushOrder(Order):
    __mapper_args__ = {"polymorphic_identity": "rush"}
    hours: Mapped[int] = mapped_column(nullable=True)


class Box(Base):
    """Its relations are no lists."""

    __tablename__ = "boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    tags: Mapped[set["Tag"]] = relationship(back_populates="box")
    labels: Mapped[dict[str, "Label"]] = relationship(collection_class=attribute_keyed_dict("name"))


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(ForeignKey("boxes.id"))
    box: Mapped[Box] = relationship(back_populates="tags")


class Label(Base):
    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    box_id: Mapped[int] = mapped_column(ForeignKey("boxes.id"))


class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    order: Mapped[Order] = relationship(back_populates="lines")


#: As a library makes classes beside those of the app: no module knows it by its name.
Former = type(
    "Former", (Base,), {"__tablename__": "former", "id": mapped_column(sqlalchemy.Integer, primary_key=True)}
)
Former.__module__ = "a_library.builder"


class Data(MappedAsDataclass, Base):
    __tablename__ = "data"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(default=2)


class Classic:
    """Is mapped imperatively."""

    def __init__(self):
        raise AssertionError


mappers = registry()
mappers.map_imperatively(
    Classic,
    sqlalchemy.Table(
        "classic",
        mappers.metadata,
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
        sqlalchemy.Column("name", sqlalchemy.String),
    ),
)


class Town(models.Model):
    name = models.CharField(max_length=9)

    class Meta:
        app_label = "bazaar"


class Person(models.Model):
    name = models.CharField(max_length=9)
    photo = models.FileField(null=True)
    town = models.ForeignKey(Town, models.CASCADE, null=True)

    class Meta:
        app_label = "bazaar"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.made_by_init = True


class Clerk(Person):
    desk = models.IntegerField()

    class Meta:
        app_label = "bazaar"


def _made_by_a_factory():
    class Hidden(models.Model):
        name = models.CharField(max_length=9)

        class Meta:
            app_label = "bazaar"

    return Hidden


_hidden = _made_by_a_factory()


def hidden():
    """A class that no module has under its name."""
    return _hidden


class Boss(Clerk):
    class Meta:
        proxy = True
        app_label = "bazaar"

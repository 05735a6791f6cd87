"""Every type comes back as itself, and what cannot cross is refused by its path."""

from __future__ import annotations

import functools
import math
import pathlib
import pickle
import threading
import uuid
from collections import Counter, OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from bazaar.types import (
    Access,
    Color,
    Draft,
    Frozen,
    HoldsLock,
    Kind,
    Line,
    Open,
    OutOfStock,
    Page,
    Point,
    Product,
    Row,
    Size,
)
from splitcost import codec

BERLIN = ZoneInfo("Europe/Berlin")

VALUES: list[Any] = [
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    2**64,
    -(10**4000),
    1.5,
    -0.0,
    math.inf,
    -math.inf,
    "",
    "ünï\u2028\x00",
    "\ud800 alone",
    [],
    [1, [2, [None]]],
    {},
    {"a": {"b": [1, "x"]}},
    {"$t": [1]},
    {"$t": [1], "b": 2},
    {1: "one", (2, 3): "pair", None: 0, "1": "text"},
    {"\ud800": 1},
    {Color.RED: 1},
    (),
    (1, (2, [3])),
    [(), {"a": ()}],
    Point(1, 2),
    {1, "a", (2,)},
    frozenset({1, 2}),
    b"\x00\xff",
    bytearray(b"abc"),
    1 + 2j,
    Decimal("1.10"),
    Decimal("-Infinity"),
    datetime(2026, 11, 24, 8, 30, 1, 5),
    datetime(2026, 11, 24, tzinfo=UTC),
    datetime(2026, 11, 24, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2026, 10, 25, 2, 30, fold=1),
    date(2026, 11, 24),
    time(8, 30, tzinfo=UTC),
    timedelta(days=-1, microseconds=3),
    uuid.UUID(int=5),
    pathlib.PurePosixPath("a/b"),
    OrderedDict([("b", 1), ("a", 2)]),
    deque([1, 2], maxlen=3),
    Color.BLUE,
    Size.LARGE,
    Kind.BOOK,
    Access.READ | Access.WRITE,
    Access(0),
    Line(1, Decimal("2.5"), ["x"]),
    Frozen(datetime(2026, 1, 1), Color.RED),
    Product(id=1, name="book"),
    Product(id=1, name="book", color=Color.BLUE),
    Open(id=uuid.UUID(int=1), more=[Decimal(1)]),
    Page[Product](items=[Product(id=1, name="x")]),
    Draft(name="d"),
    [Line(1, Decimal(1)), {"p": Product(id=2, name="y")}, (Color.RED, {Size.SMALL})],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_round_trip(value: Any) -> None:
    back = codec.decode(codec.encode(value))
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, set | frozenset)


def test_not_a_number_comes_back() -> None:
    back = codec.decode(codec.encode([math.nan, {"x": Decimal("NaN")}]))
    assert math.isnan(back[0])
    assert back[1]["x"].is_nan()


def test_plain_data_is_plain_json() -> None:
    value = {"items": [{"id": 1, "name": "x", "price": 1.5, "tags": ["a", None, True]}]}
    assert codec.encode(value) == b"p" + orjson.dumps(value)


def test_pydantic_keeps_what_was_set_and_private_attributes() -> None:
    product = Product(id=1, name="x")
    product._seen = 3
    back = codec.decode(codec.encode(product))
    assert back.model_fields_set == {"id", "name"}
    assert back._seen == 3
    back.name = "usable"


def test_a_table_row_arrives_detached() -> None:
    from sqlalchemy import inspect
    from sqlmodel import Session, SQLModel, create_engine

    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        row = Row(name="x", made_at=datetime(2026, 1, 1, tzinfo=UTC))
        session.add(row)
        session.commit()
        data = codec.encode([row])  # Expired by the commit: loaded again, as any encoder would.
        identity = row.id
    (back,) = codec.decode(data)
    assert type(back) is Row
    assert (back.id, back.name, back.made_at) == (identity, "x", datetime(2026, 1, 1, tzinfo=UTC))
    assert inspect(back).detached
    new = codec.decode(codec.encode(Row(name="new")))
    assert inspect(new).transient
    with Session(engine) as session:
        session.add(new)
        session.commit()
        assert new.id is not None
        session.expire(new)
    with pytest.raises(codec.CannotCross, match="live resource"):  # Expired, and its session is gone.
        codec.encode(new)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad", 1),
        KeyError("coupon"),
        OutOfStock(7, 2),
        FileNotFoundError(2, "No such file", "x.txt"),
        ZeroDivisionError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        StopIteration(3),
        SystemExit(2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions(error: BaseException) -> None:
    back = codec.decode(codec.encode(error))
    assert type(back) is type(error)
    assert back.args == error.args
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    for name in ("errno", "filename", "value", "code", "reason"):
        assert getattr(back, name, None) == getattr(error, name, None)


def _loop() -> list[Any]:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    return loop


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    return deep


class _Anything:
    pass


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (threading.Lock(), "", "live resource"),
        ({"items": [1, {"lock": threading.Lock()}]}, ".items[1].lock", "live resource"),
        ([Line(1, threading.Lock())], "[0].price", "live resource"),  # type: ignore[arg-type]
        ((1, lambda: 1), "[1]", "callback"),
        ([functools.partial(print)], "[0]", "callback"),
        ([type("Local", (), {})], "[0]", "callback"),
        ([(x for x in ())], "[0]", "generator"),
        ([iter([])], "[0]", "generator"),
        (_Anything(), "", "live resource"),
        ({"some key": threading.Lock()}, "[*]", "live resource"),
        ({1: threading.Lock()}, "[*]", "live resource"),
        (HoldsLock(threading.Lock()), ".lock", "live resource"),
        (_loop(), "[1].again", "cyclic data"),
        (_deep(), "", "nested too deeply"),
    ],
)
def test_refused_by_path(value: Any, path: str, reason: str) -> None:
    with pytest.raises(codec.CannotCross) as caught:
        codec.encode(value)
    assert (caught.value.reason, caught.value.path) == (reason, path)


def test_one_list_twice_is_no_cycle() -> None:
    shared = [Decimal(1)]
    assert codec.decode(codec.encode([shared, shared])) == [[1], [1]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x[]",
        b"p{",
        b'p"\xff"',
        b't{"$?":1}',
        b't{"$D":"x"}',
        b't{"$e":["bazaar.types:Color","GREEN"]}',
        b't{"$e":["bazaar.types:Line","GREEN"]}',
        b't{"$d":["bazaar.types:Line",{"nope":1}]}',
        b't{"$d":["bazaar.types:Color",{}]}',
        b't{"$d":["os:system",{}]}',
        b't{"$d":["os:environ",{}]}',
        b't{"$p":["bazaar.types:Line",{},null]}',
        b't{"$p":["pydantic:BaseModel",{"__class__":1},null]}',
        b't{"$x":["builtins:int",["1"],{}]}',
        b't{"$x":["builtins:KeyboardInterrupt",[],{}]}',
        b't{"$x":["antigravity:Anything",[],{}]}',
        b't{"$n":["bazaar.types:Point",{"x":1}]}',
        b't{"$d":["bazaar.no_such:Line",{}]}',
        b't{"$w":["bazaar.types:Product",{},true]}',
        b't{"$u":"12"}',
        b't{"$i":1}',
        b't{"$T":["2026-01-01","../etc",0]}',
        b't{"$m":[[[1],2]]}',
        pickle.dumps({"a": 1}),
    ],
)
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(codec.DecodeError):
        codec.decode(data)


def test_nothing_is_imported_for_a_message() -> None:
    import sys

    with pytest.raises(codec.DecodeError):
        codec.decode(b't{"$x":["antigravity:X",[],{}]}')
    assert "antigravity" not in sys.modules


def test_what_a_generic_class_leaves_for_type_checkers_stays_out() -> None:
    assert codec.decode(codec.encode(Counter[str]("aab"))) == Counter("aab")

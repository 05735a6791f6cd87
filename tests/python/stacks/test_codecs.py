"""Every codec: plain values come back, and what cannot be said is refused with its path."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from splitcost import stacks
from splitcost.stacks import codecs
from splitcost.stacks.codecs import Refused

NAMES = tuple(stacks.codec_parts())
TEXTS = ["", "a", "id", "user_id", "userId", "x-y", "class", "None", "ü ☃", "_x", 'a"b', "1st", "\x00"]


def plain(rng: random.Random, depth: int) -> Any:
    """A value of JSON's own types."""
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return None
    if kind == 1:
        return rng.random() < 0.5
    if kind == 2:
        return rng.choice([0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), rng.randrange(1000)])
    if kind == 3:
        return rng.choice([0.0, 1.5, -2.25, 1e-9])
    if kind == 4:
        return rng.choice(TEXTS)
    if kind == 5:
        return {rng.choice(TEXTS): plain(rng, depth - 1) for _ in range(rng.randrange(5))}
    return [plain(rng, depth - 1) for _ in range(rng.randrange(5))]


@pytest.mark.parametrize("name", NAMES)
def test_plain_values_come_back(name: str) -> None:
    rng = random.Random(1)
    for _ in range(300):
        value = plain(rng, 4)
        codec = codecs.make(name, value)
        assert codec.decode(codec.encode(value)) == value
        if codec.ready:
            ready = codec.ready
            # Objects and bytes are not compared: the order of a map's entries is not defined in protobuf.
            again = ready.encode(ready.decode(ready.encode(ready.convert(value))))
            assert codec.decode(again) == value


@pytest.mark.parametrize("name", NAMES)
def test_another_value_of_the_samples_shape_comes_back(name: str) -> None:
    codec = codecs.make(name, {"rows": [{"id": 1, "name": "a"}, {"id": 2, "tag": None}], "next": None})
    value = {"rows": [{"id": 7, "name": "b"}] * 3, "next": None}
    assert codec.decode(codec.encode(value)) == value


def test_each_file_is_a_codec() -> None:
    ours = {"json", "ujson", "orjson", "msgspec_json", "msgspec_msgpack", "pydantic", "protobuf", "tagged"}
    assert set(NAMES) == ours


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_has_module", lambda _name: False)
    with pytest.raises(ImportError, match="pip install msgspec"):
        codecs.make("msgspec_json", 1)
    with pytest.raises(ValueError, match="unknown codec 'pickle'"):
        codecs.make("pickle", 1)


def test_the_proto_of_a_document() -> None:
    sample = {
        "id": 7,
        "big": 2**64 - 1,
        "lines": [{"sku": "a", "net": 1, "note": None}, {"sku": "b", "net": 2.5, "note": "x", "gift": True}],
        "stock": {"a-1": 3, "b-2": 4},
        "grid": [[1, 2], [3]],
        "mixed": [1, "one"],
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    codec = codecs.make("protobuf", sample)
    assert codec.decode(codec.encode(sample)) == sample
    assert (
        codec.schema
        == """\
syntax = "proto3";
package splitcost.sample;
import "google/protobuf/timestamp.proto";

message Sample {
  message Lines {
    string sku = 1;
    double net = 2;
    optional string note = 3;
    optional bool gift = 4;
  }
  message Grid {
    repeated int64 items = 1;
  }
  message Mixed {
    oneof kind {
      int64 as_int = 1;
      string as_str = 2;
    }
  }
  int64 id = 1;
  uint64 big = 2;
  repeated Lines lines = 3;
  map<string, int64> stock = 4;
  repeated Grid grid = 5;
  repeated Mixed mixed = 6;
  google.protobuf.Timestamp at = 7;
}
"""
    )


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"a": [{"price": Decimal(1)}]}, ".a[*].price", "Decimal has no type in protobuf"),
        ({"a": {"n": 2**70}}, ".a.n", "an int beyond 64 bits has no type in protobuf"),
        ({"a": {1: 2, "b": 3}}, ".a", "keys that are int and str have no type in protobuf"),
    ],
)
def test_protobuf_refuses_with_the_path(value: Any, path: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        codecs.make("protobuf", value)
    assert (refused.value.path, refused.value.reason) == (path, reason)


def test_pydantic_keeps_types() -> None:
    value = {"at": datetime(2026, 1, 1, tzinfo=UTC), "net": Decimal("1.10"), "wait": timedelta(1), "s": {1}}
    codec = codecs.make("pydantic", value)
    assert codec.decode(codec.encode(value)) == value


def test_cycles_are_refused_where_a_schema_is_made() -> None:
    cycle: dict[str, Any] = {}
    cycle["again"] = [cycle]
    for name in ("pydantic", "protobuf"):
        with pytest.raises(Refused, match=r"\.again\[\*\]: it holds itself"):
            codecs.make(name, cycle)

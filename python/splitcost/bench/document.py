"""Documents to encode: values made after a recorded shape, and the same shape in other sizes and depths."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from typing import Any

from splitcost.stacks.codecs import Refused
from splitcost.stacks.codecs._shape import SEQUENCES

SIZES = (100, 1_000, 10_000, 100_000)
"""Encoded bytes of the sizes that are tried."""
COPIES = 32
"""Copies of a small document that the depths are made of: side by side, or nested in one another."""

_INSTANT = datetime.datetime(2026, 1, 1, 12, 30, tzinfo=datetime.UTC)
_LEAVES: dict[str, Any] = {
    "none": None,
    "bool": True,
    "float": 0.25,
    "bytes": b"\x00\xff" * 4,
    "decimal": decimal.Decimal("12.50"),
    "datetime": _INSTANT,
    "date": _INSTANT.date(),
    "time": _INSTANT.time(),
    "timedelta": datetime.timedelta(minutes=5),
    "uuid": uuid.UUID(int=2**127 + 1),
    "complex": 1j,
    "path": pathlib.PurePosixPath("a/b"),
}


def size(value: Any) -> int:
    """Bytes as JSON by the standard library; types that it does not know count as their text."""
    try:
        return len(json.dumps(value, default=str))
    except (TypeError, ValueError):
        return len(repr(value))


def nodes(value: Any) -> int:
    """Values in it, containers included."""
    return 1 + sum(map(nodes, _children(value)))


def depth(value: Any) -> int:
    """Levels of containers."""
    children = _children(value)
    container = isinstance(value, dict) or isinstance(value, SEQUENCES)
    return max(map(depth, children), default=0) + 1 if container else 0


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, SEQUENCES) else []


def sizes(value: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """The document in other sizes, and why some size is missing."""
    found, left_out = [], []
    for target in SIZES:
        name = f"{target} B" if target < 1_000 else f"{target // 1_000} kB"
        made = grown(value, target) if size(value) < target else shrunk(value, target)
        if size(made) > 2 * target:
            left_out.append(f"{name}: the shape needs {size(made)} B at least")
        else:
            found.append((name, made))
    return found, left_out


def depths(value: Any) -> list[tuple[str, Any]]:
    """Copies of a small document: side by side, and within one another."""
    small = shrunk(value, SIZES[0])
    found = []
    for levels in (1, math.isqrt(COPIES) - 1, COPIES):
        chains = []
        for _ in range(COPIES // levels):
            chain: Any = {"value": copy.deepcopy(small)}
            for _ in range(levels - 1):
                chain = {"value": copy.deepcopy(small), "child": chain}
            chains.append(chain)
        found.append((f"{COPIES // levels} × {levels} deep", chains))
    return found


def shrunk(value: Any, target: int) -> Any:
    """The document with shorter lists and texts, of at most the size where that can be."""
    made = value
    for most in (1_000, 300, 100, 30, 10, 5, 3, 2, 1):
        if size(made) <= target:
            return made
        made = _cut(value, most, max(most, 3))
    return made


def _cut(value: Any, items: int, characters: int) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item, items, characters) for key, item in value.items()}
    if type(value) in SEQUENCES:
        return type(value)([_cut(item, items, characters) for item in list(value)[:items]])
    return value[:characters] if type(value) is str else value


def grown(value: Any, target: int) -> Any:
    """The document with its largest list repeated, or a list of such documents."""
    made = copy.deepcopy(value)
    lists = _lists(made)
    longest = max(lists, key=size, default=[])
    if size(longest) * 2 < size(value):
        return [copy.deepcopy(value) for _ in range(max(target // (size(value) + 2), 1))]
    elements = list(longest)
    wanted = (target - size(made)) * len(elements) // size(elements)
    longest += [copy.deepcopy(elements[i % len(elements)]) for i in range(wanted)]
    return made


def _lists(value: Any) -> list[list[Any]]:
    found = [value] if type(value) is list and value else []
    return found + [inner for child in _children(value) for inner in _lists(child)]


def rebuilt(skeleton: Any, wanted: int) -> Any:
    """A value of a recorded shape, of about that many encoded bytes.

    Classes of the app are not imported: others of the same names and fields stand for them. Raises
    :class:`Refused` with the path of what no value can be made of.
    """
    made = _Builder(1, 8).build(skeleton, "")
    for items in (2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000):
        if size(made) >= wanted:
            return made
        longer = _Builder(items, 8).build(skeleton, "")
        if size(longer) == size(made):
            break
        made = longer
    texts = _Builder(1, 9).build(skeleton, "")
    per_character = size(texts) - size(_Builder(1, 8).build(skeleton, ""))
    if size(made) < wanted and per_character:
        made = _Builder(1, 8 + (wanted - size(texts)) // per_character).build(skeleton, "")
    return made


class _Builder:
    """Makes values of a skeleton: lists of so many elements, texts of so many characters."""

    def __init__(self, items: int, characters: int) -> None:
        self._items = items
        self._characters = max(characters, 1)
        self._count = 0

    def build(self, skeleton: Any, path: str) -> Any:
        """One value."""
        if isinstance(skeleton, str):
            return self._leaf(skeleton, path)
        if skeleton is None:
            return None
        kind = next(iter(skeleton))
        part = skeleton[kind]
        if kind in ("list", "set", "frozenset", "deque") or (kind == "tuple" and not isinstance(part, list)):
            items = [self.build(part, f"{path}[*]") for _ in range(self._items)] if part is not None else []
            return {"set": set, "frozenset": frozenset, "tuple": tuple}.get(kind, list)(items)
        if kind == "tuple":
            return tuple(self.build(each, f"{path}[{i}]") for i, each in enumerate(part))
        if kind in ("dict", "arguments"):
            return self._dict(part, path)
        if kind == "any":
            self._count += 1
            return self.build(part[self._count % len(part)], path)
        if kind in ("model", "dataclass", "namedtuple", "object"):
            return self._object(kind, part, skeleton["fields"], path)
        if kind == "enum":
            return enum.Enum(_class_name(part), {"MEMBER": "member"}).MEMBER  # type: ignore[attr-defined]
        raise Refused(path, f"{kind} {part}")

    def _leaf(self, name: str, path: str) -> Any:
        self._count += 1
        if name == "str":
            return (f"text{self._count} " * (self._characters // 5 + 1))[: self._characters]
        if name == "int":
            return self._count
        if name not in _LEAVES:
            raise Refused(path, "the recorder did not look that deep" if name == "cut" else name)
        return _LEAVES[name]

    def _dict(self, fields: dict[str, Any], path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, skeleton in fields.items():
            if name == "*":
                found |= {f"key-{i}": self.build(skeleton, f"{path}[*]") for i in range(self._items)}
            else:
                found[name] = self.build(skeleton, f"{path}.{name}")
        return found

    def _object(self, kind: str, name: str, fields: dict[str, Any], path: str) -> Any:
        values = {field: self.build(skeleton, f"{path}.{field}") for field, skeleton in fields.items()}
        key = (kind, name, *fields)
        if key not in _classes:
            types = {field: _type(skeleton, values[field]) for field, skeleton in fields.items()}
            _classes[key] = made = _class(kind, _class_name(name), types)
            # Found by its name, as the app's own would be.
            made.__module__, made.__qualname__ = __name__, f"Made{len(_classes)}"
            globals()[made.__qualname__] = made
        return _classes[key](**values)


_classes: dict[tuple[str, ...], Any] = {}


def _type(skeleton: Any, value: Any) -> Any:
    return Any if value is None or (isinstance(skeleton, dict) and "any" in skeleton) else type(value)


def _class(kind: str, name: str, fields: dict[str, Any]) -> Any:
    if kind == "namedtuple":
        return collections.namedtuple(name, list(fields))
    if kind in ("dataclass", "object"):
        return dataclasses.make_dataclass(name, list(fields.items()))
    import pydantic

    definitions: dict[str, Any] = {field: (kind, ...) for field, kind in fields.items()}
    return pydantic.create_model(name, **definitions)


def _class_name(name: str) -> str:
    return name.rpartition(":")[2].rpartition(".")[2] or "Value"

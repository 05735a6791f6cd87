"""The shape of the values at one place: every schema that is derived from a sample uses it."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import Any

from splitcost.stacks.codecs import Refused

SEQUENCES = (list, tuple, set, frozenset)
SCALARS = (bool, int, float, str, bytes)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Shape:
    """Everything that was seen at one place; the places of all elements of a list are one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.null = False
        self.leaves: set[type] = set()
        self.low = self.high = 0
        self.sequences: set[type] = set()
        self.elements: Shape | None = None
        self.fields: dict[Any, Shape] | None = None
        self.dicts = 0
        self.counts: dict[Any, int] = {}
        self.objects: dict[type, Shape] = {}

    def see(self, value: Any, inside: frozenset[int] = frozenset()) -> Shape:
        """Add one more value."""
        kind = type(value)
        if value is None:
            self.null = True
            return self
        names = field_names(value)
        if kind is not dict and kind not in SEQUENCES and names is None:
            self.leaves.add(kind)
            if kind is int:
                self.low, self.high = min(self.low, value), max(self.high, value)
            return self
        if id(value) in inside:
            raise Refused(self.path, "it holds itself")
        inside |= {id(value)}
        if names is not None:
            part = self.objects.setdefault(kind, Shape(self.path))
            part.fields = part.fields or {}
            part.dicts += 1
            for name in names:
                part._field(name).see(getattr(value, name), inside)
        elif kind is dict:
            self.fields = {} if self.fields is None else self.fields
            self.dicts += 1
            for key, item in value.items():
                self._field(key).see(item, inside)
        else:
            self.sequences.add(kind)
            self.elements = self.elements or Shape(f"{self.path}[*]")
            for item in value:
                self.elements.see(item, inside)
        return self

    def _field(self, key: Any) -> Shape:
        assert self.fields is not None
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.fields.setdefault(key, Shape(self.path + step(key)))

    def join(self, other: Shape) -> Shape:
        """Add all values of another place."""
        self.null |= other.null
        self.leaves |= other.leaves
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.sequences |= other.sequences
        if other.elements is not None:
            self.elements = (self.elements or Shape(f"{self.path}[*]")).join(other.elements)
        for kind, part in other.objects.items():
            self.objects.setdefault(kind, Shape(self.path)).join(part)
        if other.fields is not None:
            self.fields = {} if self.fields is None else self.fields
            for key, field in other.fields.items():
                self.fields.setdefault(key, Shape(self.path + step(key))).join(field)
                self.counts[key] = self.counts.get(key, 0) + other.counts[key]
            self.dicts += other.dicts
        return self

    def values(self) -> Shape:
        """The shape of a map's values, all together."""
        found = Shape(f"{self.path}[*]")
        for value in (self.fields or {}).values():
            found.join(value)
        return found

    def is_optional(self, key: Any) -> bool:
        """Return true if some of the dictionaries lack the key."""
        return self.counts[key] < self.dicts

    def is_map(self) -> bool:
        """Return true if the keys are data: some key is not a name, and all values have one shape."""
        fields = self.fields or {}
        if all(type(key) is str and _NAME.fullmatch(key) for key in fields):
            return False
        kinds = {(frozenset(s.leaves), bool(s.sequences), s.fields is not None) for s in fields.values()}
        return len(kinds) == 1 or not all(type(key) is str for key in fields)


def shape_of(value: Any) -> Shape:
    """The shape of one value; raises :class:`Refused` where it holds itself."""
    return Shape("").see(value)


def step(key: Any) -> str:
    """One step of a path, into a field or an item of that key."""
    if type(key) is str and key.isidentifier():
        return f".{key}"
    return f"[{key!r}]"


def field_names(value: Any) -> list[str] | None:
    """The fields of a dataclass's instance or a pydantic model."""
    kind = type(value)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(kind, pydantic.BaseModel):
        return list(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return None

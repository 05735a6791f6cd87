"""The parts of a value that can be changed in place, in an order that the two ends of a message agree on.

A part is a list, a dictionary, a set, a buffer or an object of fields. What lies inside a value that is encoded as a
whole (a date, an enum, an exception) is no part of it; a row of a database is one part, with its columns, and so are
the rows that a new one has: they are written with it.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import sys
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from splitcost.codec import rows
from splitcost.codec.decoding import set_state
from splitcost.codec.encoding import made_object, state_of
from splitcost.codec.kinds import EASY, base_of, is_allowed, is_data, is_model

_ATOMS = EASY | {float, bytes}


class Holds(NamedTuple):
    """The things that objects of a type hold: items of a built-in type, and fields."""

    items: type | None
    fields: bool
    row: rows.Mapper | None = None


_holds: dict[type, Holds] = {}
_NOTHING = Holds(None, False)
_BUILT_IN = (list, dict, set, tuple, collections.deque, bytearray, array.array)


def _holds_of(kind: type) -> Holds:
    known = _holds.get(kind)
    if known is None:
        known = _holds[kind] = _find_holds(kind)
    return known


def _find_holds(kind: type) -> Holds:
    mapper = rows.mapper_of(kind)
    if mapper is not None:
        return Holds(dict, True, mapper)
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return Holds(kind, False)
    items = next((base for base in kind.__mro__ if base in _BUILT_IN), None)
    if items is not None:
        return Holds(
            items, kind.__module__ not in ("builtins", "collections", "array") and items is not tuple
        )
    if is_model(kind) or dataclasses.is_dataclass(kind):
        return Holds(None, True)
    return Holds(None, is_object(kind) and is_data(kind))


def is_object(kind: type) -> bool:
    """Return if a class of the app is neither a model, a dataclass, a row nor derived from a built-in type."""
    is_special = issubclass(kind, BaseException | type) or hasattr(kind, "__members__")
    is_record = is_model(kind) or dataclasses.is_dataclass(kind) or rows.mapper_of(kind) is not None
    return is_allowed(kind.__module__) and base_of(kind) is object and not is_record and not is_special


def _row(value: Any, mapper: rows.Mapper) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes of a row that no mapper knows, and its columns that are loaded."""
    held = object.__getattribute__(value, "__dict__")
    columns = {name: held[name] for name in mapper.columns if name in held}
    return {name: part for name, part in held.items() if mapper.is_own(name)}, columns


class Content(NamedTuple):
    """The contents of a part: copies of its items and its fields, not of what these hold.

    The items of a row are attributes that were set on it, and its fields the columns that are loaded.
    """

    items: Any
    fields: dict[str, Any] | None
    #: If a row is in the database, and in which; ``None`` for everything else.
    origin: Any = None
    #: Changes of a row are still to be written.
    is_pending: bool = False

    @classmethod
    def of(cls, value: Any) -> Content:
        """Return what a part holds at present."""
        holds = _holds_of(type(value))
        items: Any = None
        if holds.row is not None:
            return cls(*_row(value, holds.row), holds.row.origin(value), holds.row.is_pending(value))
        if holds.items is dict:
            items = dict(dict.items(value))
        elif holds.items in (list, tuple, collections.deque):
            items = list(holds.items.__iter__(value))
        elif holds.items is set:
            items = set(set.__iter__(value))
        elif holds.items is not None:
            items = value.tobytes() if hasattr(value, "tobytes") else bytes(value)
        fields = dict(sorted(state_of(value).items())) if holds.fields else None
        return cls(items, fields)

    def differs(self, other: Content) -> str | None:
        """Return the place of the first difference, as a path; ``None`` where both hold the same things."""
        if (step := _difference(self.items, other.items)) is not None:
            return step
        if self.origin != other.origin:
            return ""
        fields = other.fields
        if self.origin is not None and self.fields is not None and fields is not None:
            # That a column was loaded, or let go of, is no change.
            fields = {name: fields.get(name, held) for name, held in self.fields.items()}
        return _difference(self.fields, fields, of_fields=True)


def _difference(old: Any, new: Any, *, of_fields: bool = False) -> str | None:
    if isinstance(old, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            if key not in old or key not in new or old[key] is not new[key]:
                return _step(key)
        return None if of_fields or list(old) == list(new) else ""
    if isinstance(old, list):
        if len(old) != len(new):
            return ""
        return next((f"[{i}]" for i, item in enumerate(old) if item is not new[i]), None)
    return None if old == new else ""


def _step(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else "[*]"


class Parts:
    """The parts of some values, numbered in the order of the message that has them.

    ``foreign`` are the identities of values that go by something else than their parts.
    """

    def __init__(self, roots: Iterable[Any], foreign: Container[int] = ()) -> None:
        self.values: list[Any] = []
        self._paths: list[tuple[int, str]] = []
        self._contents: list[Content] = []
        self._foreign = foreign
        for index, root in enumerate(roots):
            self._add(root, -1, f"[{index}]")

    def _add(self, value: Any, parent: int, step: str, around: tuple[int, ...] = ()) -> None:
        try:
            value = made_object(value)
        except Exception:  # It could not be sent.
            return
        kind = type(value)
        if kind in _ATOMS or id(value) in self._foreign:
            return
        holds = _holds_of(kind)
        if holds == _NOTHING:
            return
        number = len(self.values)
        content = Content.of(value)
        self.values.append(value)
        self._paths.append((parent, step))
        self._contents.append(content)
        if holds.row is not None:
            if holds.row.is_new(value):
                self._add_relations(value, holds.row, number, (*around, id(value)))
            return
        if isinstance(content.items, dict):
            for key, item in content.items.items():
                self._add(item, number, _step(key))
        elif isinstance(content.items, list):
            for index, item in enumerate(content.items):
                self._add(item, number, f"[{index}]")
        for name, item in (content.fields or {}).items():
            self._add(item, number, f".{name}")

    def _add_relations(self, row: Any, mapper: rows.Mapper, number: int, around: tuple[int, ...]) -> None:
        for name, held in rows.sent_relations(row, mapper, around).items():
            # A set has another order at the other side: its rows stay new.
            for index, item in enumerate(held if type(held) is list else [] if type(held) is set else [held]):
                if id(item) not in around:
                    self._add(item, number, f".{name}[{index}]" if type(held) is list else f".{name}", around)

    def numbers(self) -> dict[int, int]:
        """Return the numbers of the parts by their identity."""
        return {id(value): number for number, value in enumerate(self.values)}

    def changed(self) -> list[tuple[int, Content, str]]:
        """Return the parts that hold something else than they did, with that, and the path to the first change."""
        found = []
        for number, (value, before) in enumerate(zip(self.values, self._contents, strict=True)):
            now = Content.of(value)
            step = before.differs(now)
            if step is not None:
                found.append((number, now, self._path(number) + step))
        return found

    def _path(self, number: int) -> str:
        steps = []
        while number >= 0:
            number, step = self._paths[number]
            steps.append(step)
        return "".join(reversed(steps))

    def restore(
        self,
        number: int,
        items: Any,
        fields: dict[str, Any] | None,
        origin: Any = None,
        is_pending: bool = False,
    ) -> None:
        """Let a part hold what its counterpart holds. Raises ``ValueError`` for another kind of part.

        An ``origin`` of ``None`` leaves a row new.
        """
        value = self.values[number]
        holds: Any = _holds_of(type(value))
        if (items is None) != (holds.items is None):
            raise ValueError(f"part {number} is of another kind")
        if holds.row is not None:
            holds.row.change(value, Content(items, fields, origin, is_pending))
            return
        if holds.items is dict:
            dict.clear(value)
            dict.update(value, items)
        elif holds.items is list:
            list.__setitem__(value, slice(None), items)
        elif holds.items in (set, collections.deque):
            holds.items.clear(value)
            (holds.items.update if holds.items is set else holds.items.extend)(value, items)
        elif holds.items in (bytearray, array.array):
            value[:] = holds.items(items) if holds.items is bytearray else array.array(value.typecode, items)
        elif holds.items is not None and holds.items is not tuple:
            import numpy

            value[...] = numpy.frombuffer(items, value.dtype).reshape(value.shape)
        if fields is not None and holds.fields:
            for name in state_of(value).keys() - fields.keys():
                object.__delattr__(value, name)
            set_state(value, fields)

"""Payloads of a given number of values and encoded bytes: a list of rows, as services send them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from splitcost import codec

_ROW_NODES = 6  # One container and five fields.
_INSTANT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


@dataclass
class Row:
    """A row of the kind ``adapter``: two of its fields need one, and so does it."""

    id: int
    name: str
    price: Decimal
    at: datetime
    note: str


def row(kind: str, number: int, note: str) -> Any:
    """One row of ``plain`` or ``adapter`` data: six values."""
    if kind == "adapter":
        return Row(number, f"item {number}", Decimal(number) / 4, _INSTANT, note)
    return {
        "id": number,
        "name": f"item {number}",
        "price": number / 4,
        "active": number % 2 == 0,
        "note": note,
    }


@functools.lru_cache(maxsize=256)
def build(kind: str, nodes: int, size: int) -> Any:
    """A payload of about ``size`` encoded bytes with ``nodes`` values, containers included."""
    if nodes <= 1:
        return "x" * max(size - 3, 0)
    rows, rest = divmod(nodes - 1, _ROW_NODES)

    def filled(spare: int) -> list[Any]:
        notes = rows or rest
        width, wide = divmod(max(spare, 0), max(notes, 1))
        texts = ["x" * (width + (i < wide)) for i in range(notes)]
        return [row(kind, i, texts[i]) for i in range(rows)] + [
            texts[i] if not rows else i for i in range(rest)
        ]

    return filled(size - len(codec.encode(filled(0))))


def count_nodes(value: Any) -> int:
    """Values in a payload of :func:`build`, containers included."""
    if isinstance(value, list):
        return 1 + sum(map(count_nodes, value))
    if isinstance(value, dict):
        return 1 + sum(map(count_nodes, value.values()))
    if isinstance(value, Row):
        return _ROW_NODES
    return 1

"""Requests of web frameworks."""

from __future__ import annotations

from typing import Any

from splitcost import codec
from splitcost.rehearsal.objects import Names

KINDS: frozenset[str] = frozenset()


def describe(value: Any, names: Names, exchange: codec.Foreign) -> list[Any] | None:
    """Return what stands for a request."""
    return None


def make(content: list[Any], names: Names, exchange: codec.Foreign) -> Any:
    """Return the callee's own request."""
    return None

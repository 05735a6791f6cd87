"""Payloads of so many bytes: a list of rows, as services send them."""

from __future__ import annotations

import json
from typing import Any

BYTES_PER_VALUE = 12
"""Chosen: the rows below at their smallest have 13, and recorded arguments 5 to 20."""


def rows(size: int, nodes: int | None = None) -> list[Any]:
    """A list with ``nodes`` values, itself and containers included, of ``size`` bytes of JSON without spaces.

    One that cannot be so small is as small as it gets.
    """
    values = max(size // BYTES_PER_VALUE if nodes is None else nodes, 1)
    count, rest = divmod(values - 1, 6)
    notes = [""] * max(count, 1)

    def made() -> list[Any]:
        whole = [
            {"id": i, "name": f"item {i}", "price": i / 4, "active": i % 2 == 0, "note": notes[i]}
            for i in range(count)
        ]
        return whole + ([notes[0]] if not count else []) + list(range(rest - (not count)))

    spare = size - len(json.dumps(made(), separators=(",", ":")))
    width, wide = divmod(max(spare, 0), len(notes))
    notes = ["x" * (width + (i < wide)) for i in range(len(notes))]
    return made()

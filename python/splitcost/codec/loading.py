"""Messages of the same values at two times."""

from __future__ import annotations

from typing import Any

import orjson


def is_changed(before: bytes, after: bytes) -> bool:
    """Return if two messages differ in more than what rows have loaded in between."""
    return before != after and not _is_same(orjson.loads(before[1:]), orjson.loads(after[1:]))


def _is_same(before: Any, after: Any) -> bool:
    if type(before) is not type(after):
        return False
    if type(before) is dict:
        if before.keys() == after.keys() == {"$w"}:
            (kind, held, *rest), (kind_after, held_after, *rest_after) = before["$w"], after["$w"]
            held_after = {name: part for name, part in held_after.items() if name in held}
            return _is_same([kind, held, rest], [kind_after, held_after, rest_after])
        return before.keys() == after.keys() and all(_is_same(before[name], after[name]) for name in before)
    if type(before) is list:
        return len(before) == len(after) and all(map(_is_same, before, after))
    return bool(before == after)

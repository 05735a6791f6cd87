"""orjson, with its defaults."""

from __future__ import annotations

from typing import Any

from splitcost.stacks.codecs import Codec

NEEDS = ("orjson",)


def make(sample: Any) -> Codec:
    """The same for every sample."""
    import orjson

    return Codec("application/json", orjson.dumps, orjson.loads)

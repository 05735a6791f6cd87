"""ujson, with its defaults."""

from __future__ import annotations

from typing import Any

from splitcost.stacks.codecs import Codec

NEEDS = ("ujson",)


def make(sample: Any) -> Codec:
    """The same for every sample."""
    import ujson

    dumps = ujson.dumps

    def encode(value: Any) -> bytes:
        return dumps(value).encode()

    return Codec("application/json", encode, ujson.loads)

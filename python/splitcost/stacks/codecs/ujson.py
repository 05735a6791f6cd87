"""ujson, with its defaults."""

from __future__ import annotations

from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec


def make(sample: Any) -> Codec:
    """The same for every sample."""
    import ujson

    dumps = ujson.dumps

    def encode(value: Any) -> bytes:
        return dumps(value).encode()

    return Codec("application/json", encode, ujson.loads)


PARTS = {
    "ujson": CodecPart(
        summary="ujson, with its defaults.",
        needs=("ujson",),
        make=make,
    )
}

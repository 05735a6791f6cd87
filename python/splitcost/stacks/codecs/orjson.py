"""orjson, with its defaults."""

from __future__ import annotations

from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec


def make(sample: Any) -> Codec:
    """The same for every sample."""
    import orjson

    return Codec("application/json", orjson.dumps, orjson.loads)


PARTS = {
    "orjson": CodecPart(
        summary="orjson, with its defaults.",
        needs=("orjson",),
        make=make,
    )
}

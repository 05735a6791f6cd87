"""The rehearsal's own encoding: orjson, with a tag for every value that JSON cannot say."""

from __future__ import annotations

from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec


def make(sample: Any) -> Codec:
    """The same for every sample."""
    from splitcost import codec

    return Codec("application/x-splitcost", codec.encode, codec.decode)


PARTS = {
    "tagged": CodecPart(
        summary="The rehearsal's own encoding: orjson, with a tag for every value that JSON cannot say.",
        needs=("orjson",),
        make=make,
    )
}

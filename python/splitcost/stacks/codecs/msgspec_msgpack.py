"""msgspec's MessagePack, untyped: encoder and decoder are made once, as its manual advises."""

from __future__ import annotations

from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec


def make(sample: Any) -> Codec:
    """The same for every sample."""
    from msgspec import msgpack

    return Codec("application/msgpack", msgpack.Encoder().encode, msgpack.Decoder().decode)


PARTS = {
    "msgspec_msgpack": CodecPart(
        summary="msgspec's MessagePack, untyped: encoder and decoder are made once, as its manual advises.",
        needs=("msgspec",),
        make=make,
    )
}

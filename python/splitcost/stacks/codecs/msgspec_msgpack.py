"""msgspec's MessagePack, untyped: encoder and decoder are made once, as its manual advises."""

from __future__ import annotations

from typing import Any

from splitcost.stacks.codecs import Codec

NEEDS = ("msgspec",)


def make(sample: Any) -> Codec:
    """The same for every sample."""
    from msgspec import msgpack

    return Codec("application/msgpack", msgpack.Encoder().encode, msgpack.Decoder().decode)

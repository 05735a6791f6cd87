"""msgspec's JSON, untyped: encoder and decoder are made once, as its manual advises."""

from __future__ import annotations

from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec


def make(sample: Any) -> Codec:
    """The same for every sample."""
    from msgspec import json

    return Codec("application/json", json.Encoder().encode, json.Decoder().decode)


PARTS = {
    "msgspec_json": CodecPart(
        summary="msgspec's JSON, untyped: encoder and decoder are made once, as its manual advises.",
        needs=("msgspec",),
        make=make,
    )
}

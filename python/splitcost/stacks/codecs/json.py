"""The standard library's JSON, as nearly everybody calls it: spaces after `,` and `:`, and only ASCII."""

from __future__ import annotations

import json
from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def make(sample: Any) -> Codec:
    """The same for every sample."""
    return Codec("application/json", _encode, json.loads)


PARTS = {
    "json": CodecPart(
        summary="The standard library's JSON: spaces after `,` and `:`, and only ASCII.",
        make=make,
    )
}

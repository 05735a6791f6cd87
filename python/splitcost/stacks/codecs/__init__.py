"""The codecs: how a value becomes the bytes of a call, and bytes a value. One short file each.

A codec's file has ``PARTS`` with its :class:`splitcost.stacks.CodecPart`, whose ``make(sample)`` returns a
:class:`Codec` for values like the sample. Codecs with a schema (pydantic, protobuf) derive it from the
sample, and refuse a value that it cannot express with a :class:`Refused` that bears the path.

Nothing that is decoded is evaluated or unpickled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from splitcost import stacks

__all__ = ["Codec", "Ready", "Refused", "make"]


class Ready(NamedTuple):
    """The codec's own objects, for code that has them at hand and needs no plain values."""

    convert: Callable[[Any], Any]
    """Plain value → object."""
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


class Codec(NamedTuple):
    """Plain values to bytes and back."""

    content_type: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    ready: Ready | None = None
    """For a codec that converts plain values first: the part without the conversion."""
    schema: str = ""
    """The schema as text, where there is one."""


class Refused(TypeError):
    """A value that a codec's schema cannot say: where it is, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path or 'the value'}: {self.reason}"


def make(name: str, sample: Any) -> Codec:
    """The codec of that name for values like the sample.

    Raises ``ImportError`` with the pip command, ``ValueError`` for an unknown name, or :class:`Refused`.
    """
    return stacks.find_codec(name).make(sample)

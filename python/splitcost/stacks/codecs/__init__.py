"""The codecs: how a value becomes the bytes of a call, and bytes a value. One short file each.

A codec's file has ``NEEDS``, its pip requirements, and ``make(sample)``, which gives a :class:`Codec` for values
like the sample. Those with a schema (pydantic, protobuf) derive it from the sample, and refuse what it cannot
say with a :class:`Refused` that bears the path. Adding a codec is adding a file.

Nothing that is decoded is evaluated or unpickled.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Codec", "Ready", "Refused", "make", "missing", "names", "version"]


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
    """Where plain values are converted first: the part without the conversion."""
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


def names() -> list[str]:
    """Every codec, the standard library's first."""
    found = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return sorted(found, key=lambda name: (name != "json", name))


def _module(name: str) -> Any:
    if name not in names():
        raise ValueError(f"unknown codec {name!r}: one of {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def missing(name: str) -> list[str]:
    """The pip requirements of a codec that this environment lacks."""
    return [need for need in _module(name).NEEDS if version(need) is None]


def version(requirement: str) -> str | None:
    """The installed version of a distribution, if it is installed."""
    try:
        return importlib.metadata.version(requirement)
    except importlib.metadata.PackageNotFoundError:
        return None


def make(name: str, sample: Any) -> Codec:
    """The codec of that name for values like the sample.

    Raises ``ImportError`` with the pip command, ``ValueError`` for an unknown name, or :class:`Refused`.
    """
    module = _module(name)
    absent = missing(name)
    if absent:
        raise ImportError(f"the codec {name} needs a package: pip install {' '.join(absent)}")
    codec: Codec = module.make(sample)
    return codec

"""Times and trials of every codec, one question per line.

- ``{"open": [{"name", "file"} | {"name", "skeleton", "bytes"}]}``: answers the codecs and the
  documents, with the first document in other sizes and depths, too.
- ``{"trial": I}``: the outcome of each codec on document ``I``. ``{"unusual": I}``: the same for a value
  of :mod:`splitcost.bench.unusual`.
- ``{"round": [[I, "codec", ready], …]}``: encodes and decodes each, in that order, and answers nanoseconds.
- ``{"proto": true}``: the ``.proto`` of the first document.
"""

from __future__ import annotations

import gc
import itertools
import json
import pathlib
import platform
import time
from collections.abc import Callable
from typing import Any

from splitcost import stacks
from splitcost.bench import document, unusual
from splitcost.bench.trial import shown, trial
from splitcost.stacks import codecs

TIMING_NANOS = 2_000_000
"""Chosen: a thousand times the clock's step, and a round of a hundred cells is still below a second."""


class CodecBench:
    """The documents, and what was made to encode them."""

    def __init__(self) -> None:
        self._lacks = {name: stacks.lacks(stacks.codec_parts()[name].needs) for name in _names()}
        self._names = [name for name, lacking in self._lacks.items() if not lacking]
        self._documents: list[Any] = []
        self._timings: dict[tuple[int, str, bool], _Timing] = {}

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one question."""
        try:
            if "open" in question:
                return self._open(question["open"])
            if "trial" in question:
                value = self._documents[question["trial"]]
                return {name: trial(name, value) for name in self._names}
            if "unusual" in question:
                return self._unusual(*unusual.values()[question["unusual"]])
            if "proto" in question:
                return {"proto": codecs.make("protobuf", self._documents[0]).schema}
            return self._round([tuple(cell) for cell in question["round"]])
        except (OSError, ValueError, RecursionError, ImportError, codecs.Refused) as error:
            return {"error": " ".join(str(error).split()) or type(error).__name__}

    def _open(self, asked: list[dict[str, Any]]) -> dict[str, Any]:
        found, left_out = [], []
        for one in asked:
            try:
                value = _read(one) if "file" in one else _rebuild(one)
                found.append(("document", one["name"], value))
            except codecs.Refused as error:
                if "file" in one:
                    raise
                left_out.append(f"{one['name']}: no value can be made of {error}")
        if found:
            _, _, first = found[0]
            more, too_small = document.sizes(first)
            left_out += too_small
            found += [("size", name, value) for name, value in more]
            found += [("depth", name, value) for name, value in document.depths(first)]
        self._documents = [value for _, _, value in found]
        return {
            "python_version": platform.python_version(),
            "gc": f"on, thresholds {', '.join(map(str, gc.get_threshold()))}" if gc.isenabled() else "off",
            "codecs": [
                {"name": name, "missing": lacking, "versions": _versions(name)}
                for name, lacking in self._lacks.items()
            ],
            "documents": [
                {
                    "role": role,
                    "name": name,
                    "json_bytes": document.size(value),
                    "values": document.nodes(value),
                    "depth": document.depth(value),
                }
                for role, name, value in found
            ],
            "left_out": left_out,
            "with_objects": [name for name, part in stacks.codec_parts().items() if part.has_schema],
            "unusual": len(unusual.values()),
        }

    def _unusual(self, name: str, value: Any) -> dict[str, Any]:
        tried = unusual.sample(value)
        return {"name": name, "value": shown(value), "codecs": {c: trial(c, tried) for c in self._names}}

    def _round(self, order: list[tuple[int, str, bool]]) -> dict[str, Any]:
        found = []
        for key in order:
            timing = self._timings.get(key)
            if timing is None:
                index, name, ready = key
                value = self._documents[index]
                timing = self._timings[key] = _Timing(codecs.make(name, value), value, ready)
            found.append(timing.measure())
        return {"timings": found}


def _names() -> list[str]:
    """Every codec, the standard library's first."""
    return sorted(stacks.codec_parts(), key=lambda name: (name != "json", name))


def _versions(name: str) -> dict[str, str]:
    needs = stacks.codec_parts()[name].needs
    return {need: version for need, version in stacks.versions_of(needs).items() if need in needs}


class _Timing:
    """One codec on one document: how often each of its halves is called for one reading of the clock."""

    def __init__(self, codec: codecs.Codec, value: Any, ready: bool) -> None:
        self._value, self._encode, self._decode = value, codec.encode, codec.decode
        if ready:
            assert codec.ready is not None
            self._value = codec.ready.convert(value)
            self._encode, self._decode = codec.ready.encode, codec.ready.decode
        self._data = self._encode(self._value)
        self._encodes = _loops(self._encode, self._value)
        self._decodes = _loops(self._decode, self._data)

    def measure(self) -> dict[str, float]:
        """Nanoseconds of one call of each half, and the encoded bytes."""
        return {
            "encode_nanos": _nanos(self._encode, self._value, self._encodes) / self._encodes,
            "decode_nanos": _nanos(self._decode, self._data, self._decodes) / self._decodes,
            "bytes": len(self._data),
        }


def _loops(function: Callable[[Any], Any], argument: Any) -> int:
    """As `timeit` finds it: as many calls as fill a cell's time."""
    loops = 1
    while (taken := _nanos(function, argument, loops)) < TIMING_NANOS // 4:
        loops *= 2
    return max(loops * TIMING_NANOS // taken, 1)


def _nanos(function: Callable[[Any], Any], argument: Any, loops: int) -> int:
    began = time.perf_counter_ns()
    for _ in itertools.repeat(None, loops):
        function(argument)
    return time.perf_counter_ns() - began


def _read(one: dict[str, Any]) -> Any:
    text = pathlib.Path(one["file"]).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{one['name']}:{error.lineno}:{error.colno}: {error.msg}") from error


def _rebuild(one: dict[str, Any]) -> Any:
    return document.rebuilt(json.loads(one["skeleton"]), one["bytes"])

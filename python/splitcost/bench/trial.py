"""The outcome of a codec on a value: kept, changed (with place and new value), or the error.

Each trial runs in a process of its own, so that a crash or a hang is an outcome like any other.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from typing import Any

from splitcost.stacks import codecs
from splitcost.stacks.codecs._shape import SEQUENCES, field_names, step

DEADLINE_SECS = 20
"""Chosen: a thousand times what the slowest codec needs for a document of 100 KB."""
_MOST = 8  # Chosen: different places that are listed for one document.
_LOOKED_AT = 1_000  # Chosen: places that are looked at to find these.
_WIDTH = 60  # Chosen: characters of a value that are shown.


def trial(codec: str, value: Any) -> dict[str, Any]:
    """Encode and decode a value, and return the outcome.

    ``outcome`` is ``kept``, ``changed`` or ``error``; each of ``places`` has a ``path``, what ``was`` there,
    and what it ``became`` or the ``error``.
    """
    return isolated(lambda: _trial(codec, value))


def _trial(codec: str, value: Any) -> dict[str, Any]:
    try:
        back = _round_trip(codec, value)
    except BaseException as error:
        return {"outcome": "error", "places": _distinct(_culprits(codec, value, "", error, frozenset()))}
    changes = _distinct(differences(value, back))
    return {"outcome": "changed" if changes else "kept", "places": changes}


def _round_trip(codec: str, value: Any) -> Any:
    made = codecs.make(codec, value)
    data = made.encode(value)
    try:
        return made.decode(data)
    except Exception as error:
        error.add_note("decode")
        raise


def isolated(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run work in a copy of the process; return its answer, or an outcome that describes its death."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(DEADLINE_SECS)
            with os.fdopen(writer, "w") as out:
                json.dump(work(), out)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = signal.Signals(os.WTERMSIG(status))
        died = f"no answer in {DEADLINE_SECS} s" if number is signal.SIGALRM else f"it crashes: {number.name}"
        return {"outcome": "error", "places": [{"path": "", "was": "", "error": died}]}
    found: dict[str, Any] = json.loads(text)
    return found


def differences(before: Any, after: Any, path: str = "") -> Iterable[dict[str, str]]:
    """Yield the places where two values differ in type or value; NaN equals NaN."""
    if type(before) is not type(after):
        kind = "None" if after is None else type(after).__name__
        yield {"path": path, "was": shown(before), "became": shown(after), "became_type": kind}
    elif isinstance(before, dict):
        # Keys that are equal may still be of another type: 1, 1.0 and True are one key.
        known = {(type(key), key): value for key, value in after.items()}
        for key, value in before.items():
            if (type(key), key) in known:
                yield from differences(value, known.pop((type(key), key)), path + step(key))
            else:
                became = f"key {shown(next(iter(known))[1])}" if known else "no such key"
                yield {"path": path + step(key), "was": f"key {shown(key)}", "became": became}
        if len(known) > sum(1 for key in before if (type(key), key) not in known):
            yield {"path": path, "was": shown(before), "became": shown(after)}
    elif isinstance(before, list | tuple) and len(before) == len(after):
        for i, (a, b) in enumerate(zip(before, after, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif _distinguished(before) != _distinguished(after):
        yield {"path": path, "was": shown(before), "became": shown(after)}


def _distinguished(value: Any) -> Any:
    """Return a key that distinguishes equal values: 1.10 from 1.1, 0.0 from -0.0, time zones."""
    if isinstance(value, float | Decimal):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.time):
        return value.isoformat(), getattr(value.tzinfo, "key", None)
    return value


def _culprits(
    codec: str, value: Any, path: str, error: BaseException, around: frozenset[int]
) -> Iterable[dict[str, str]]:
    """The innermost parts that do not come back by themselves either."""
    if id(value) not in around:
        found = False
        around |= {id(value)}
        for inner, part in _parts(value):
            try:
                _round_trip(codec, part)
            except BaseException as inner_error:
                found = True
                yield from _culprits(codec, part, path + inner, inner_error, around)
        if found:
            return
    yield {"path": path, "was": shown(value), "error": _told(error)}


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    names = field_names(value)
    if names is not None:
        return [(f".{name}", getattr(value, name)) for name in names]
    if isinstance(value, dict):
        return [(step(key), item) for key, item in value.items()]
    if type(value) in SEQUENCES:
        return [(f"[{i}]", item) for i, item in enumerate(value)]
    return []


def _distinct(places: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """One place of each kind: elements of a list are alike."""
    seen: dict[tuple[str, str], dict[str, str]] = {}
    for place in islice(places, _LOOKED_AT):
        path = place["path"]
        key = re.sub(r"\[\d+\]", "[*]", path), _kind(place.get("error") or place["became"])
        if len(path) > 2 * _WIDTH:
            place["path"] = f"{path[:_WIDTH]}… ({len(re.findall(r'[.[]', path))} levels deep)"
        if key not in seen:
            seen[key] = place
            if len(seen) == _MOST:
                break
    return list(seen.values())


def _kind(text: str) -> str:
    return re.sub(r"[\d'\"].*", "", text)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    text = text if len(text) <= 2 * _WIDTH else text[: 2 * _WIDTH] + "…"
    kind = type(error).__name__
    when = "when it decodes, " if "decode" in getattr(error, "__notes__", []) else ""
    if isinstance(error, codecs.Refused):
        return error.reason
    return f"{when}{kind}: {text}" if text else f"{when}{kind}"


def shown(value: Any) -> str:
    """Return a value for people: its repr, with its type if the repr does not show it."""
    try:
        is_instant = isinstance(value, datetime.datetime | datetime.time)
        text = f"{type(value).__name__} {value.isoformat()}" if is_instant else repr(value)
    except BaseException as error:
        text = f"<{type(error).__name__}>"
    text = text.encode("utf-8", "backslashreplace").decode()
    text = text if len(text) <= _WIDTH else text[:_WIDTH] + "…"
    kind = type(value).__name__
    return text if kind in text or value is None or kind in _EVIDENT else f"{text} ({kind})"


_EVIDENT = ("str", "int", "float", "bool", "bytes", "list", "dict", "tuple", "set")

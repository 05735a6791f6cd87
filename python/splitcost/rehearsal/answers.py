"""Answers of other services: results, exceptions, and obstacles in the way of a result."""

from __future__ import annotations

import inspect
import re
from typing import Any

import orjson

from splitcost import codec, stacks
from splitcost.codec import DecodeError, Obstacle
from splitcost.rehearsal.call import Target
from splitcost.rehearsal.errors import MessageTooLarge, RemoteError, ServiceRefused, UnreadableAnswer
from splitcost.rehearsal.server import CANNOT_CROSS, CHANGED, LENGTH_BYTES, RAISED


def is_result(body: bytes) -> bool:
    """Return if an answer has what the function returned."""
    start = LENGTH_BYTES + 1 + int.from_bytes(body[1 : LENGTH_BYTES + 1]) if body[:1] == CHANGED else 0
    return body[start : start + 1] not in (RAISED, CANNOT_CROSS)


_ROOT = re.compile(r"\[0\]\[(\d+)\]|\[0\]|\[1\]")


def argument_path(function: Any, path: str) -> str:
    """``[0][1].total`` of a message as ``arguments.lines.total``: by the function's own parameter names."""
    match = _ROOT.match(path)
    if match is None:
        return "arguments" + path
    rest = path[match.end() :]
    if match[1] is None:
        return "arguments" + rest
    index = int(match[1])
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return f"arguments[{index}]{rest}"
    for position, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"arguments.{parameter.name}[{index - position}]{rest}"
        if position == index:
            return f"arguments.{parameter.name}{rest}"
    return f"arguments[{index}]{rest}"


def refusal(target: Target, answer: stacks.Answer) -> Exception:
    """Return the exception for an answer that holds no outcome of the function."""
    text = answer.body[:500].decode("utf-8", "replace")
    if answer.status == stacks.Status.TOO_LARGE:
        return MessageTooLarge(target.service, f"{target.shown}: {text}")
    if answer.status in _REFUSALS:
        return ServiceRefused(target.service, text)
    return UnreadableAnswer(target.service, f"status {answer.status}: {text}")


_REFUSALS = frozenset(stacks.Status)


def obstacle(data: memoryview) -> tuple[str, Obstacle, str]:
    """Path, reason and type of a result that cannot cross, as the other side describes it."""
    path, reason, kind_name = orjson.loads(data)
    try:
        return path, Obstacle(reason), kind_name
    except ValueError as error:
        raise DecodeError(f"malformed answer: {error}") from error


def loss(error: BaseException) -> Obstacle | None:
    """Return what made a call raise in a loopback that would not have raised without it, as far as it shows."""
    text = str(error)
    if isinstance(error, RuntimeError) and text.startswith("Working outside of "):
        return Obstacle.STATE  # Flask's
    if isinstance(error, AttributeError):
        is_of_g = any(
            "/flask/ctx.py" in note.rpartition("File ")[2] for note in getattr(error, "__notes__", [])
        )
        return Obstacle.STATE if is_of_g or "_thread._local" in text else None
    if not isinstance(error, RemoteError):
        return None
    return Obstacle.STATE if error.args[1].startswith("<ContextVar ") else Obstacle.EXCEPTION


def type_name(error: BaseException) -> str:
    """Return the name of an exception's class, also of one that could not be rebuilt."""
    return error.type_name if isinstance(error, RemoteError) else codec.name_of(type(error))


def raised_exception(data: bytes) -> BaseException:
    """Return the exception that a call raised. Raises :class:`DecodeError` for anything else."""
    description, _, encoded = data.partition(b"\n")
    type_name, message, origin, frames = orjson.loads(description)
    error: BaseException
    try:
        error = codec.decode(encoded) if encoded else RemoteError(type_name, message)
    except DecodeError:
        error = RemoteError(type_name, message)
    if not isinstance(error, BaseException):
        raise DecodeError("it is something else where an exception was announced")
    error.add_note(f"raised in service {origin}:\n{frames}")
    return error

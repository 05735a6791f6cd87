"""redis-py, sync and async: each command is noted by its name, a pipeline by the names of its commands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from splitcost import _native
from splitcost._guard import attempt
from splitcost.databases.statements import replace

__all__ = ["follow", "follow_later"]

Method = Callable[..., Any]
#: Finds the arguments of a command, or a list of those of each command of a pipeline.
Sent = Callable[[Any, tuple[Any, ...]], Any]

#: Reads past a class of the app.
_attribute_of = object.__getattribute__


def _arguments(client: Any, args: tuple[Any, ...]) -> Any:
    return args


def _queued(pipeline: Any, args: tuple[Any, ...]) -> Any:
    return _attribute_of(pipeline, "__dict__")["command_stack"]


def follow(module: Any) -> None:
    """Follow the classes of `redis.client`."""
    _follow(module, _sending)


def follow_later(module: Any) -> None:
    """Follow the classes of `redis.asyncio.client`."""
    _follow(module, _sending_later)


def _follow(module: Any, sending: Callable[[Sent, Method], Method]) -> None:
    command, commands = functools.partial(sending, _arguments), functools.partial(sending, _queued)
    replace(module.Redis, "execute_command", command)
    replace(module.PubSub, "execute_command", command)
    # A pipeline collects commands and sends them together; those after WATCH are sent at once.
    replace(module.Pipeline, "immediate_execute_command", command)
    replace(module.Pipeline, "execute", commands)


def _sending(sent: Sent, original: Method) -> Method:
    begin, end = _native.begin_statement, _native.end_commands

    @functools.wraps(original)
    def send(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin()
        if not begun:
            return original(self, *args, **kwargs)
        commands = attempt(sent, self, args)
        answer = None
        try:
            answer = original(self, *args, **kwargs)
            return answer
        finally:
            end(begun, commands, answer)

    return send


def _sending_later(sent: Sent, original: Method) -> Method:
    begin, end = _native.begin_fetch, _native.end_commands

    @functools.wraps(original)
    async def send(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin()
        commands = attempt(sent, self, args) if begun else None
        answer = None
        try:
            answer = await original(self, *args, **kwargs)
            return answer
        finally:
            if begun:
                end(begun, commands, answer)

    return send

"""The guard around each step of splitcost's that runs in the app: nothing that goes wrong in one reaches the app."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["attempt", "react"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _say(reason: str) -> None:
    print(f"splitcost: {reason}", file=sys.stderr, flush=True)


_reaction: Callable[[str], None] = _say


def react(reaction: Callable[[str], None]) -> None:
    """Have ``reaction`` called, with a reason for people, when a step goes wrong; by default that is printed."""
    global _reaction
    _reaction = reaction


def attempt(step: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R | None:
    """Run one step of ours, and return its result.

    Whatever goes wrong in it never reaches the app; the result is then `None`. A step must not call the app.
    """
    try:
        return step(*args, **kwargs)
    except (KeyboardInterrupt, SystemExit):
        raise  # The app's, by way of a signal.
    except BaseException as error:  # A panic of the native half is not an `Exception`.
        # The message of an exception may hold a value of the app's: only its type is written.
        reason = f"an unexpected {type(error).__name__} in {getattr(step, '__name__', 'a step')}"
        try:
            _reaction(reason)
        except Exception as other:
            _say(f"{reason}, then {type(other).__name__}")
        return None

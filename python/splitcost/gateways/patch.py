"""Changes of a library's methods: steps of ours before or after them, which never reach the app."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from splitcost._guard import attempt
from splitcost._hooks import awaited

__all__ = ["after", "around", "before"]

Step = Callable[..., Any]


def before(owner: Any, name: str, step: Step) -> None:
    """Have ``step`` run with the arguments before each call of ``owner.name``."""

    def stepping(original: Step, *arguments: Any, **options: Any) -> Any:
        attempt(step, *arguments, **options)
        return original(*arguments, **options)

    around(owner, name, stepping)


def after(owner: Any, name: str, step: Step) -> None:
    """Have ``step`` run with the result and the arguments after each call of ``owner.name``."""

    def stepping(original: Step, *arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        attempt(step, result, *arguments, **options)
        return result

    around(owner, name, stepping)


def around(owner: Any, name: str, call: Step) -> None:
    """Have ``call`` run in place of ``owner.name``, with that and its arguments."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def replacement(*arguments: Any, **options: Any) -> Any:
        return call(original, *arguments, **options)

    # Servers look at the kind of function that they are given.
    is_awaited = inspect.iscoroutinefunction(original)
    setattr(owner, name, awaited(replacement) if is_awaited else replacement)

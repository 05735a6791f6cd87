"""The function of the app behind the callable that a framework chose."""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Iterator
from typing import Any

from splitcost import _native

__all__ = ["function_id", "handler_of_app"]

#: Chosen: no app has as many routes; bounds the memory, as each target is kept alive.
_MAX_KNOWN = 10_000
#: Chosen: no view is decorated as often.
_MAX_DEPTH = 50

#: Where middleware keeps the app that it is around.
_INNER = ("app", "application", "wsgi_app", "asgi_app")

_known: dict[tuple[int, str], tuple[Any, int | None]] = {}


def function_id(target: Any, verb: str = "") -> int | None:
    """Return the number of the app's function that does the work of ``target``; `None` if none of the app does.

    Decorators that name what they wrap, partial functions and bound methods are taken off. Of a class it is the
    method that is named like the HTTP method ``verb``, or else the class itself. Nothing of the app runs.
    """
    if type(target) is types.MethodType:  # Made anew for each use: not worth to be kept.
        target = target.__func__
    key = (id(target), verb)
    known = _known.get(key)
    if known is not None:
        return known[1]
    found = _find(target, verb)
    if len(_known) < _MAX_KNOWN:
        _known[key] = (target, found)
    return found


def handler_of_app(app: Any) -> int | None:
    """Return the number of the function that an app is, inside its middleware; `None` for one of a library's."""
    return function_id(_innermost(app))


def _innermost(app: Any) -> Any:
    """Return the app inside the middleware, as far as that keeps it where middleware does."""
    for _ in range(_MAX_DEPTH):
        inner = next(filter(callable, (_instance_attribute(app, name) for name in _INNER)), None)
        if inner is None:
            break
        app = inner
    return app


def _find(target: Any, verb: str) -> int | None:
    layers = list(_layers(target, verb))[::-1]
    functions = [layer for layer in layers if type(layer) is types.FunctionType]
    # A function of a library's may be around one of the app's without naming it.
    inner = (_find(enclosed, verb) for enclosed in map(_enclosed, functions) if enclosed is not None)
    classes = (_class_id(layer) for layer in layers if type(layer) is not types.FunctionType)
    numbers = itertools.chain(map(_native.function_id, functions), inner, classes)
    return next((number for number in numbers if number is not None), None)


def _class_id(kind: Any) -> int | None:
    module, qualname = _class_attribute(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
    return _native.class_id(module, qualname) if isinstance(module, str) else None


def _layers(target: Any, verb: str) -> Iterator[Any]:
    """Yield the functions and classes of which ``target`` is made, the outermost first."""
    for _ in range(_MAX_DEPTH):
        kind = type(target)
        if kind is types.FunctionType:
            yield target
            target = target.__dict__.get("__wrapped__")
        elif kind is types.MethodType or kind in (staticmethod, classmethod):
            target = target.__func__
        elif kind is functools.partial or kind is functools.partialmethod:
            target = target.func
        elif issubclass(kind, type):
            yield target
            target = _class_attribute(target, verb.lower()) if verb else None
        elif target is None or kind.__module__ == "builtins":
            return
        else:
            wrapped = _instance_attribute(target, "__wrapped__")
            target = wrapped if wrapped is not None else _class_attribute(kind, "__call__")


def _class_attribute(kind: Any, name: str) -> Any:
    for base in type.__getattribute__(kind, "__mro__"):
        attributes = type.__getattribute__(base, "__dict__")
        if name in attributes:
            return attributes[name]
    return None


def _instance_attribute(target: Any, name: str) -> Any:
    try:
        attributes = object.__getattribute__(target, "__dict__")
    except AttributeError:
        return None
    return attributes.get(name) if type(attributes) is dict else None


def _enclosed(layer: Any) -> Any:
    """Return the only function that a function of a library closes over."""
    found = []
    for cell in layer.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # Not filled yet.
            continue
        if type(content) in (types.FunctionType, types.MethodType):
            found.append(content)
    return found[0] if len(found) == 1 else None

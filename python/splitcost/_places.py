"""The ways to objects that outlive a request: from the app's modules, or from the app that is served.

Each process of an app has such an object at the end of the same way, as `shop.pricing:register` at module level, or as
`(app)/state/catalog` in the app that is served. Recorder and rehearsal search alike, and run no code of the app.
"""

from __future__ import annotations

import enum
import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from splitcost import _native

APP = "(app)"
"""The root of ways that begin at the app that is served."""

MAX_STEPS = {APP: 8, "": 2}
"""Steps from the served app, and from an attribute of a module. Chosen: an app is wrapped in middlewares, and holds a
registry that holds a client; a module is not."""

MAX_VISITED, MAX_ITEMS = 5_000, 100
"""Objects that are looked at, and items of one. Chosen: a search takes milliseconds, and data are left out."""

_served: list[Any] = []


def serve(app: Any) -> None:
    """Note the app that this process serves."""
    _served[:] = [app]


def is_served() -> bool:
    """Return if a server of this process has the app."""
    return bool(_served)


def find(value: Any, modules: Iterable[tuple[str, types.ModuleType]]) -> str | None:
    """Return the shortest way to an object from the app, attributes of these modules, or their classes, if any."""
    seen: set[int] = set()
    inside, classes = [], []
    for name, module in modules:
        for attribute, held in list(attributes(module).items()):
            if type(attribute) is str and not attribute.startswith("__"):
                inside.append((f"{name}:{attribute}", held))
                if _is_class_of(name, held):
                    classes.append((f"{name}:{attribute}", held))
    return (
        _find(value, [(APP, app) for app in _served], MAX_STEPS[APP], seen)
        or _find(value, inside, MAX_STEPS[""], seen)
        or _find(value, classes, MAX_STEPS[""], set(), of_classes=True)
    )


def _find(
    value: Any, level: list[tuple[str, Any]], most: int, seen: set[int], *, of_classes: bool = False
) -> str | None:
    for depth in range(most):
        inside = []
        steps_of = _steps_of_class if of_classes and depth == 0 else _steps
        for way, holder in level:
            if id(holder) in seen:
                continue
            seen.add(id(holder))
            for step, held in steps_of(holder):
                if held is value:
                    return f"{way}/{step}"
                inside.append((f"{way}/{step}", held))
            if len(seen) > MAX_VISITED:
                return None
        level = inside
    return None


def resolve(way: str) -> Any:
    """Return the object at the end of a way. Raises ``LookupError`` if nothing is there."""
    root, *steps = way.split("/")
    if root == APP:
        value = _served[0]
    else:
        module, _, attribute = root.partition(":")
        value = attributes(sys.modules[module])[attribute]
    for step in steps:
        value = _method(value, step[:-2]) if step.endswith("()") else _step(value, step)
    return value


def leads_to(way: str, value: Any) -> bool:
    """Return if an object is at the end of a way."""
    try:
        return resolve(way) is value
    except LookupError:
        return False


def _step(holder: Any, step: str) -> Any:
    for name, held in _steps_of_class(holder) if issubclass(type(holder), type) else _steps(holder):
        if name == step:
            return held
    raise LookupError(step)


def _method(owner: Any, name: str) -> Any:
    found = inspect.getattr_static(type(owner), name, None)
    if not isinstance(found, types.FunctionType):
        raise LookupError(name)
    return types.MethodType(found, owner)


def attributes(module: types.ModuleType) -> dict[str, Any]:
    """The attributes of a module, also of one behind the facade that a rehearsal puts before it."""
    own = _native.instance_dict(module) or {}
    real = own.get("__splitcost_real__")
    return own if real is None else _native.instance_dict(real) or {}


_LEAVES = (type, str, bytes, int, float, types.BuiltinFunctionType, types.CodeType, type(None))


def _steps(holder: Any) -> Iterator[tuple[str, Any]]:
    """The steps from an object to those that it holds."""
    kind = type(holder)
    if issubclass(kind, _LEAVES):
        return
    if issubclass(kind, dict):
        # The methods of `dict`: those of a subclass are the app's.
        if dict.__len__(holder) <= MAX_ITEMS:
            items = list(dict.items(holder))
            yield from ((key, held) for key, held in items if type(key) is str and "/" not in key)
        if kind is not dict:  # A registry may keep its parts as attributes, as Pyramid's does.
            yield from _fields(holder)
    elif kind is tuple:  # A list grows while the app runs.
        if len(holder) <= MAX_ITEMS:
            yield from ((str(index), held) for index, held in enumerate(holder))
    elif kind is types.FunctionType:
        yield from zip(holder.__code__.co_freevars, map(_content, holder.__closure__ or ()), strict=True)
    elif kind is types.MethodType:
        yield "__self__", holder.__self__
    elif kind is not types.ModuleType or sys.modules.get(holder.__name__) is not holder:
        yield from _fields(holder)


def _is_class_of(module: str, held: Any) -> bool:
    """Return if something is a class of this module; the members of an enum are values."""
    kind = type(held)
    is_class = issubclass(kind, type) and not issubclass(kind, enum.EnumMeta)
    return is_class and _class_dict(held).get("__module__") == module


def _class_dict(kind: type) -> Any:
    return type.__dict__["__dict__"].__get__(kind)


def _steps_of_class(kind: type) -> Iterator[tuple[str, Any]]:
    """The steps from a class to what its objects share, as a registry of these; methods and the like are none."""
    for name, held in list(_class_dict(kind).items()):
        if type(name) is str and not name.startswith("__") and not _is_descriptor(held):
            yield name, held


def _is_descriptor(held: Any) -> bool:
    return any("__get__" in _class_dict(base) for base in _mro(type(held)))


def _mro(kind: type) -> tuple[type, ...]:
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return found


def _fields(holder: Any) -> Iterator[tuple[str, Any]]:
    fields = list((_native.instance_dict(holder) or {}).items())
    yield from ((name, held) for name, held in fields if type(name) is str and name != "__builtins__")


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # Nothing was put there yet.
        return None

"""The functions of a module that are called remotely, found wherever they are held, and made stubs in place.

A function is not only called by its name. A table of handlers, an object that a decorator made, a registry of a library
and a bound method hold the function itself. So its code is replaced in it: whoever calls it calls the stub, and its own
code lives on in a copy, which the stub calls where the call stays in this process.
"""

from __future__ import annotations

import functools
import gc
import inspect
import itertools
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

LRU_CACHED = type(functools.lru_cache(len))

LINE = "@"
"""Stands before the line of a function that no name leads to, as its module may have several of its qualified name."""

_STUB, _GIVEN = "the stub", "what is given"
"""Constants of a stub's code, in the place of objects."""

_NO_DEFAULT = object()
_DISPATCHER: Any = functools.singledispatch(lambda value: value)
_KINDS = (
    inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
)


class Receiver(Enum):
    """The thing that a method is called on, which is its first argument."""

    INSTANCE = "instance"
    CLASS = "class"


@dataclass(frozen=True)
class Found:
    """A function of a module, or a method of one of its classes."""

    function: types.FunctionType
    #: Its qualified name, with its line where no name leads to it.
    name: str
    receiver: Receiver | None = None

    @property
    def qualname(self) -> str:
        """The qualified name alone."""
        return self.name.partition(LINE)[0]


def remote_functions(
    module: types.ModuleType, code: types.CodeType | None, is_remote: Callable[[str], bool]
) -> list[Found]:
    """Return the functions of a module whose qualified names are remote.

    ``code`` is that of the module, if it can be had: without it, those are missing that no name leads to.
    """
    named = [found for found in _named(module) if is_remote(found.name)]
    places = {place for place in _places(code) if is_remote(place[0])}
    known = {(found.name, found.function.__code__.co_firstlineno) for found in named}
    # What goes by the name of a function, and is another one, is called in place of it: a wrapper, or a cache.
    wrappers = {name for name, _ in known - places}
    wrappers |= {name for name, value in vars(module).items() if _is_other_function(value, name)}
    missing = {place for place in places - known if place[0] not in wrappers}
    return named + [_held(function) for function in _functions(module, missing)]


def find(module: types.ModuleType, name: str) -> Found | None:
    """Return the function of this name, as :attr:`Found.name` has it, with its own code."""
    qualname, is_held, line = name.partition(LINE)
    if is_held:
        held = _functions(module, {(qualname, int(line))}) if line.isdigit() else []
        found = next((_held(function) for function in held), None)
    else:
        found = next((found for found in _named(module) if found.name == name), None)
    if found is not None and is_stub(found.function):
        # In a loopback the one function there is is the stub.
        return Found(found.function.__wrapped__, found.name, found.receiver)  # type: ignore[attr-defined]
    return found


def is_dispatcher(function: Any) -> bool:
    """Return if a function only chooses another one by the class of its argument: `functools.singledispatch`."""
    return type(function) is types.FunctionType and function.__code__ is _DISPATCHER.__code__


def is_stub(function: Any) -> bool:
    """Return if something is one of our stubs, or a method that is one, without asking objects of the app."""
    if type(function) is types.MethodType:
        function = function.__func__
    # `functools.wraps` copies the mark, together with the other attributes: a wrapper of a stub is not one.
    is_function = type(function) in (types.FunctionType, LRU_CACHED)
    return is_function and getattr(function, "__splitcost_stub__", None) is function


def _named(module: types.ModuleType) -> Iterator[Found]:
    """Yield the functions that the module holds by their names, and those of the classes that it defines."""
    scopes: list[types.ModuleType | type] = [module]
    seen = set()
    while scopes:
        scope = scopes.pop()
        seen.add(scope)
        for name, held in list(vars(scope).items()):
            if isinstance(held, type):
                if held.__module__ == module.__name__ and held not in seen:
                    scopes.append(held)
            elif isinstance(scope, type):
                function, receiver = _of_class(held)
                if function is not None:
                    yield Found(function, f"{scope.__qualname__}.{name}", receiver)
            elif type(held) is types.FunctionType and not is_dispatcher(held):
                if (held.__module__, held.__qualname__) == (module.__name__, name):
                    yield Found(held, name)


def _is_other_function(value: Any, name: str) -> bool:
    is_function = type(value) is types.FunctionType
    return isinstance(value, LRU_CACHED) or (is_function and value.__qualname__ != name)


def _of_class(held: Any) -> tuple[types.FunctionType | None, Receiver | None]:
    """Return the function under an attribute of a class, and what it is called on."""
    receiver: Receiver | None = Receiver.INSTANCE
    if isinstance(held, staticmethod):
        held, receiver = held.__func__, None
    elif isinstance(held, classmethod):
        held, receiver = held.__func__, Receiver.CLASS
    elif isinstance(held, property):
        held = held.fget
    return (held, receiver) if type(held) is types.FunctionType else (None, None)


def _held(function: types.FunctionType) -> Found:
    """Return a function that no name leads to."""
    receiver = None
    if "." in function.__qualname__:
        first = function.__code__.co_varnames[:1]
        receiver = Receiver.CLASS if first == ("cls",) else Receiver.INSTANCE
    return Found(function, f"{function.__qualname__}{LINE}{function.__code__.co_firstlineno}", receiver)


def _places(code: types.CodeType | None) -> Iterator[tuple[str, int]]:
    """Yield the qualified name and the line of each function in the code of a module."""
    for constant in code.co_consts if code is not None else ():
        if isinstance(constant, types.CodeType):
            yield constant.co_qualname, constant.co_firstlineno
            yield from _places(constant)


def _functions(module: types.ModuleType, places: set[tuple[str, int]]) -> list[types.FunctionType]:
    """Return the functions of a module at these places, wherever they are."""
    if not places:
        return []
    namespace = vars(module)
    return [
        held
        for held in gc.get_referrers(namespace)
        if type(held) is types.FunctionType
        and held.__globals__ is namespace
        and (held.__qualname__, held.__code__.co_firstlineno) in places
    ]


def copy_of(function: types.FunctionType) -> types.FunctionType:
    """Return another function with the same code."""
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
    copy.__qualname__, copy.__doc__ = function.__qualname__, function.__doc__
    # Python 3.14 and later evaluate annotations when they are asked for.
    annotations = "__annotate__" if hasattr(function, "__annotate__") else "__annotations__"
    setattr(copy, annotations, getattr(function, annotations))
    vars(copy).update(vars(function))
    return copy


def become_stub(function: types.FunctionType, original: types.FunctionType, stub: Callable[..., Any]) -> None:
    """Make a function call ``stub``, which gets what it is called with; ``original`` is a copy of it."""
    own, template = function.__code__, _template(function.__code__)
    constants = {_STUB: stub, _GIVEN: _given(original)}
    # Who asks for its kind (coroutine function, generator) and its parameters gets the same answer as before.
    function.__code__ = template.replace(
        co_consts=tuple(constants.get(constant, constant) for constant in template.co_consts),
        co_flags=template.co_flags | own.co_flags & _KINDS,
        co_freevars=own.co_freevars,
        co_name=own.co_name,
        co_qualname=own.co_qualname,
        co_filename=own.co_filename,
        co_firstlineno=own.co_firstlineno,
    )
    function.__wrapped__ = original  # type: ignore[attr-defined]
    function.__splitcost_stub__ = function  # type: ignore[attr-defined]


def _template(code: types.CodeType) -> types.CodeType:
    """Return the code of a function with the same parameters that calls the stub."""
    names = iter(code.co_varnames)
    positional = list(itertools.islice(names, code.co_argcount))
    named = list(itertools.islice(names, code.co_kwonlyargcount))
    gathered = next(names) if code.co_flags & inspect.CO_VARARGS else None
    more = next(names) if code.co_flags & inspect.CO_VARKEYWORDS else None
    before, after = positional[: code.co_posonlyargcount], positional[code.co_posonlyargcount :]
    parameters = [*before, *(["/"] if before else []), *after]
    if gathered or named:
        parameters.append(f"*{gathered or ''}")
    parameters += named
    if more:
        parameters.append(f"**{more}")
    items = "".join(f"{name!r}: {name}, " for name in named)
    text = f"""def function({", ".join(parameters)}):
    __splitcost_given__ = {_GIVEN!r}
    __splitcost_stub__ = {_STUB!r}
    __splitcost_given__ = __splitcost_given__(
        ({"".join(f"{name}, " for name in positional)}), {gathered or "()"}, {{{items}}}, {more or "{}"}
    )
    return __splitcost_stub__(*__splitcost_given__[0], **__splitcost_given__[1])
"""
    module = compile(text, "(stub)", "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, types.CodeType))


_Given = Callable[[tuple[Any, ...], tuple[Any, ...], dict[str, Any], dict[str, Any]], Any]


def _given(original: types.FunctionType) -> _Given:
    """Return a function of all arguments that returns those that were given: defaults are left out."""
    code = original.__code__

    def given(
        positional: tuple[Any, ...], gathered: tuple[Any, ...], named: dict[str, Any], more: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        defaults, preset = original.__defaults__ or (), original.__kwdefaults__ or {}
        if preset:
            named = {
                name: value for name, value in named.items() if value is not preset.get(name, _NO_DEFAULT)
            }
        first = len(positional) - len(defaults)
        left_out = [index for index, value in enumerate(defaults, first) if positional[index] is value]
        if left_out and not gathered:
            behind = [index for index in range(left_out[0], len(positional)) if index not in left_out]
            if not behind or code.co_posonlyargcount <= behind[0]:
                named |= {code.co_varnames[index]: positional[index] for index in behind}
                positional = positional[: left_out[0]]
        return positional + gathered, named | more if more else named

    return given

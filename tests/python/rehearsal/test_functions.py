"""Functions that become their own stubs, wherever they are held."""

from __future__ import annotations

import asyncio
import functools
import inspect
import subprocess
import sys
import types
from typing import Any

import pytest
from splitcost.rehearsal.functions import become_stub, copy_of, find, is_stub, remote_functions

SOURCE = """
import functools

def plain(a, b: int = 2, *args, c: "Later" = 3, **kwargs):
    return [a, b, args, c, kwargs]

def closed(outer):
    def inner(n):
        return outer + n
    return inner

five = closed(5)

async def awaited(n):
    return n

def items(n):
    yield from range(n)

async def items_async(n):
    for item in range(n):
        yield item

HOLDERS = []

class Holder:
    def __init__(self, function):
        self.function = function
        HOLDERS.append(self)

@Holder
def held(n):
    return n

@Holder
def held(n):
    return -n

@functools.lru_cache
def cached(n):
    return n

def wrapper(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

@wrapper
def wrapped(n):
    return n

class Shelf:
    def put(self, n):
        return n

    @classmethod
    def make(cls):
        return cls()

    @property
    def size(self):
        return 3

    @functools.cached_property
    def name(self):
        return "shelf"
"""


@pytest.fixture
def module() -> types.ModuleType:
    made = types.ModuleType("shop_functions")
    made.code = compile(SOURCE, "shop_functions.py", "exec")  # type: ignore[attr-defined]
    exec(made.code, vars(made))
    return made


def replaced(module: types.ModuleType, *names: str) -> list[str]:
    """Let functions become stubs that note their calls."""
    seen: list[str] = []
    for found in remote_functions(module, module.code, lambda name: name in names):
        original = copy_of(found.function)

        def stub(*args: Any, original: Any = original, name: str = found.name, **kwargs: Any) -> Any:
            seen.append(name)
            return original(*args, **kwargs)

        become_stub(found.function, original, stub)
    return seen


def test_a_function_that_became_a_stub_looks_as_before(module: types.ModuleType) -> None:
    functions = [module.plain, module.awaited, module.items, module.items_async]
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)

    def looks(function: Any) -> Any:
        parameters = [
            inspect.signature(function, follow_wrapped=follow).parameters for follow in (True, False)
        ]
        names = [[(p.name, p.kind, p.default) for p in each.values()] for each in parameters]
        return (
            names,
            inspect.getfullargspec(function).args,
            [kind(function) for kind in kinds],
            function.__name__,
        )

    before = list(map(looks, functions))
    replaced(module, "plain", "awaited", "items", "items_async")
    assert list(map(looks, functions)) == before
    assert all(map(is_stub, functions))


def test_calls_go_through_the_stub(module: types.ModuleType) -> None:
    seen = replaced(module, "plain", "awaited", "items", "items_async")
    assert module.plain(1, c=4, d=5) == [1, 2, (), 4, {"d": 5}]
    assert list(module.items(3)) == [0, 1, 2]

    async def awaits() -> Any:
        return [await module.awaited(1), [item async for item in module.items_async(2)]]

    assert asyncio.run(awaits()) == [1, [0, 1]]
    assert seen == ["plain", "items", "awaited", "items_async"]


def test_functions_of_one_name_are_told_apart_by_their_lines(module: types.ModuleType) -> None:
    one, other = (holder.function for holder in module.HOLDERS)
    first, second = sorted(
        found.name for found in remote_functions(module, module.code, lambda n: n == "held")
    )
    assert first.startswith("held@") and second.startswith("held@")
    found = [each.function for name in (first, second) if (each := find(module, name)) is not None]
    assert found == [one, other] and [each(1) for each in found] == [1, -1]
    assert find(module, "held") is None and find(module, "held@1") is None


def test_what_is_called_in_place_of_a_function_is_the_stub(module: types.ModuleType) -> None:
    # A facade has a stub in place of a cache, whose hits are the callee's.
    assert remote_functions(module, module.code, lambda name: name == "cached") == []
    (found,) = remote_functions(module, module.code, lambda name: name == "wrapped")
    assert found.function is module.wrapped


def test_a_wrapper_of_a_stub_is_none(module: types.ModuleType) -> None:
    replaced(module, "plain", "Shelf.put")

    @functools.wraps(module.plain)
    def wrapper(*args: Any) -> Any:
        return module.plain(*args)

    assert is_stub(module.plain) and is_stub(module.Shelf().put)
    assert not is_stub(wrapper)


def test_methods_become_stubs_in_their_class(module: types.ModuleType) -> None:
    names = [f"Shelf.{name}" for name in ("put", "make", "size", "name")]
    seen = replaced(module, *names)
    put = module.Shelf().put  # Bound before or after: it is one function.
    shelf = module.Shelf.make()
    assert (put(1), shelf.size, shelf.name) == (1, 3, "shelf")
    assert [name.partition("@")[0] for name in seen] == [
        "Shelf.make",
        "Shelf.put",
        "Shelf.size",
        "Shelf.name",
    ]


SIGNATURES = """
NOBODY = object()

def taken(first, /, second, third=3, *, fourth=4, fifth, **more):
    return [first, second, third, fourth, fifth, more]

def between(first, nobody=NOBODY, third=3):
    return [first, nobody is NOBODY, third]

def gathered(first, second=2, *rest, last=None):
    return [first, second, rest, last]

def positional(first, second=2, third=3, /):
    return [first, second, third]
"""

CALLS = [
    ("taken(1, 2, fifth=5)", (1, 2), {"fifth": 5}),
    (
        "taken(1, second=2, third=3, fourth=5, fifth=5, sixth=6)",
        (1, 2),
        {"fourth": 5, "fifth": 5, "sixth": 6},
    ),
    ("between(1)", (1,), {}),
    ("between(1, third=4)", (1,), {"third": 4}),
    ("gathered(1, 2, 3, last=4)", (1, 2, 3), {"last": 4}),
    ("gathered(first=1)", (1,), {}),
    ("positional(1, 2, 4)", (1, 2, 4), {}),
    ("positional(1)", (1,), {}),
    ("positional(1, 2, 5)", (1, 2, 5), {}),
]


@pytest.mark.parametrize(("call", "args", "kwargs"), CALLS)
def test_a_stub_gets_what_is_no_default(call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    namespace: dict[str, Any] = {}
    exec(SIGNATURES, namespace)
    function = namespace[call.partition("(")[0]]
    expected = eval(call, namespace)
    original, given = copy_of(function), []

    def stub(*args: Any, **kwargs: Any) -> Any:
        given.append((args, kwargs))
        return original(*args, **kwargs)

    become_stub(function, original, stub)
    assert eval(call, namespace) == expected
    assert given == [(args, kwargs)]
    with pytest.raises(TypeError, match="missing 1 required"):
        function(**{"fifth": 5, "second": 2} if function.__name__ == "taken" else {})
    assert len(given) == 1


def test_a_wrapper_of_a_stub_has_its_own_parameters(module: types.ModuleType) -> None:
    replaced(module, "plain")

    @functools.wraps(module.plain)
    def wrapper(request: Any) -> Any:
        return module.plain(request)

    # As cornice asks.
    assert inspect.getfullargspec(wrapper).args == ["request"]


PROTOCOL = """
import types, typing

@typing.runtime_checkable
class Prices(typing.Protocol):
    price: typing.Any

assert not isinstance(types, Prices), "the first check comes before the first stand-in"
from splitcost.rehearsal import imports

imports._let_facades_be_inspected()
module, unit = types.ModuleType("pricing"), types.SimpleNamespace(gives_real_things_to=lambda frame: True)
module.price = 3
print(isinstance(imports.Facade(module, unit), Prices))
"""


def test_a_stand_in_for_a_module_has_the_protocol_that_the_module_has() -> None:
    found = subprocess.run([sys.executable, "-c", PROTOCOL], capture_output=True, text=True, timeout=60)
    assert found.stdout == "True\n", found.stderr

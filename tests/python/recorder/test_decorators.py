"""Functions under decorators: a call of one is a call of the function that others name."""

from __future__ import annotations

import pytest
from test_statements import run

PRELUDE = "import asyncio\nfrom decorated import front\n"


def calls(runs, code):
    """Run code that calls the front once; give the calls of the front, by name, with those that these make."""
    (log,) = runs.run("-c", PRELUDE + code, SPLITCOST_PACKAGES="decorated")
    log.check()
    lines = [line for request in log.requests for line in log.tree(request) if line.startswith("  ")]
    return log, [line.strip().removeprefix("decorated.") for line in lines if "__init__" not in line]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("front.call('plain', 1)", ["back:plain"]),
        # A call inside the module is part of the one before.
        ("front.call('other', 1)", ["back:other"]),
        ("front.call('several', 1)", ["back:several"]),
        # A decorator of another module is a function beside the decorated one.
        ("front.call('elsewhere', 1)", ["tools:logged.<locals>.wrapper", "back:elsewhere"]),
        ("front.call('between', 1)", ["back:between", "tools:logged.<locals>.wrapper", "back:between"]),
        ("asyncio.run(front.wait('waits', 1))", ["back:waits"]),
        ("front.call('Shelf.make')", ["back:Shelf.make"]),
        ("front.call('Shelf.static', 1)", ["back:Shelf.static"]),
        ("front.shelf('take', 1)", ["back:Shelf.take"]),
        ("front.shelf('bare', 1)", ["back:Shelf.bare"]),
        ("front.shelf('items', 1)", ["back:Shelf.items"]),
        ("front.shelf('half')", ["back:Shelf.half"]),
        # Nobody else finds the function by its name.
        ("front.fresh()", ["back:fresh", "back:own.<locals>.wrapper"]),
    ],
)
def test_a_call_through_decorators_is_one_call_of_the_function(runs, code, expected):
    _, found = calls(runs, code)
    assert found == expected


def test_no_search_walks_around_in_functions_that_close_over_each_other(runs):
    names = [f"f{number}" for number in range(10)]
    bodies = "".join(f"    def {name}(): return {', '.join(names)}\n" for name in names)
    log = run(runs, "knot.py", f"def knot():\n{bodies}    return f0\n", "knot()()")
    assert log.one("knot:knot.<locals>.f0")


def test_a_function_that_returns_a_coroutine_is_none_itself(runs):
    _, found = calls(runs, "asyncio.run(front.wait('made', 1))")
    assert found == ["back:later.<locals>.wrapper", "back:made"]


def test_functions_of_one_decorator_are_told_apart_at_each_call(runs):
    _, found = calls(runs, "for name in ['plain', 'other', 'plain']: front.call(name, 1)")
    assert found == ["back:plain", "back:other", "back:plain"]


@pytest.mark.parametrize(
    ("name", "receiver", "arguments"),
    [
        ("take", "value", '"args":{"tuple":["int"]}'),
        ("bare", "value", '"amount":"int"'),
        ("items", "value", '"args":{"tuple":["int"]}'),
    ],
)
def test_what_a_decorated_method_is_called_on_is_its_receiver(runs, name, receiver, arguments):
    log, _ = calls(runs, f"front.shelf({name!r}, 1)")
    payload = log.one(f"decorated.back:Shelf.{name}").payloads[False]
    assert (payload["receiver"]["kind"], payload["receiver"]["type_name"]) == (
        receiver,
        "decorated.back.Shelf",
    )
    assert arguments in payload["skeleton"] and "self" not in payload["skeleton"]


def test_the_class_is_the_receiver_of_a_decorated_class_method_and_nothing_that_of_a_static_one(runs):
    log, _ = calls(runs, "front.call('Shelf.make'); front.call('Shelf.static', 1)")
    of_class, static = (
        log.one(f"decorated.back:Shelf.{name}").payloads[False] for name in ("make", "static")
    )
    assert of_class["receiver"]["kind"] == "class"
    assert static["receiver"] is None

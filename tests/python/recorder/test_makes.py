"""Functions whose results are work that is yet to be done: coroutines, generators and context managers."""

from __future__ import annotations

import pytest
from recorder_support import Runs

PRELUDE = "from shop import makers as m\n"
MAIN = "\nasync def main():\n    {}\nasyncio.run(main())"


@pytest.mark.parametrize(
    ("code", "name", "makes"),
    [
        ("await m.of_own(1)", "of_own", ["call"]),
        ("await m.of_other_module(1)", "of_other_module", ["call"]),
        ("await m.of_partial(1)", "of_partial", ["call"]),
        ("await m.of_library(1)", "of_library", ["awaitable"]),
        ("await m.of_nested(1)", "of_nested", ["awaitable"]),
        ("m.sometimes(0); await m.sometimes(1); m.sometimes(0)", "sometimes", [None, "call", None]),
        ("await m.of_task(1)", "of_task", [None]),
        ("list(m.of_generator(2))", "of_generator", ["call"]),
        ("list(m.of_expression(2))", "of_expression", [None]),
        ("[i async for i in m.of_generator_later(2)]", "of_generator_later", ["call"]),
        ("with m.of_context(1): pass", "of_context", ["call"]),
        ("with m.of_context_of_library(): pass", "of_context_of_library", [None]),
    ],
)
def test_a_function_makes_work_or_a_value(runs: Runs, code: str, name: str, makes: list[str | None]) -> None:
    log = runs.code(PRELUDE + MAIN.format(code))
    assert [call.makes for call in log.named(f"shop.makers:{name}")] == makes


def test_every_call_says_it_and_not_only_the_sampled_ones(runs: Runs) -> None:
    log = runs.code(PRELUDE + MAIN.format("[await made for made in map(m.sometimes, [0, 1] * 50) if made]"))
    makes = [call.makes for call in log.named("shop.makers:sometimes")]
    assert makes == [None, "call"] * 50


def test_the_call_of_a_coroutine_that_was_seen_before_it_ran_is_whole(runs: Runs) -> None:
    log = runs.code(PRELUDE + MAIN.format("await m.of_own(1)"))
    assert [call.events for call in log.named("shop.makers:_load")] == [["enter", "leave"]]


@pytest.mark.parametrize(
    ("code", "name", "class_"),
    [
        ("with m.managed(1): pass", "managed", "context_manager"),
        ("with m.of_context(1): pass", "managed", "context_manager"),
        ("async with m.managed_later(1): pass", "managed_later", "context_manager"),
        ("list(m.of_generator(1))", "_numbers", "generator"),
        ("[i async for i in m.of_generator_later(1)]", "_numbers_later", "generator"),
        ("m.of_context_of_library()", "of_context_of_library", "context_manager"),
    ],
)
def test_a_generator_that_is_entered_is_a_context_manager(
    runs: Runs, code: str, name: str, class_: str
) -> None:
    result = runs.code(PRELUDE + MAIN.format(code)).one(f"shop.makers:{name}").payloads[True]
    assert (result["class"], result["obstacles"][0][0]) == (class_, class_)


def test_a_function_whose_module_calls_it_for_the_caller_is_known(runs: Runs) -> None:
    log = runs.code(PRELUDE + MAIN.format("await m.of_own(1); await m.of_other_module(1)"))
    made = {r["qualname"]: r["is_made"] for r in log.records if r["record"] == "function"}
    assert made == {"of_own": False, "_load": True, "of_other_module": False, "later": False}

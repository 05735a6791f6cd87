"""Values that cannot cross are refused with path and call site, or kept local, and are always listed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from bazaar import main
from rehearsal_support import Split


def event(split: Split, callee: str, service: str = "main") -> dict[str, Any]:
    """The only event of that function in the report."""
    (found,) = (e for e in split.report(service)["events"] if e["callee"] == callee)
    result: dict[str, Any] = found
    return result


def line_of(function: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(index for index, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("name", "path", "reason", "type_name"),
    [
        ("live_argument", "arguments.session", "live resource", "_thread.lock"),
        ("nested_live_argument", "arguments.value.items[1].lock", "live resource", "_thread.lock"),
        ("callback_argument", "arguments.callback", "callback", "builtins.function"),
        ("generator_argument", "arguments.value", "generator", "builtins.generator"),
        ("cyclic_argument", "arguments.value[0]", "cyclic data", "list"),
    ],
)
def test_refused_with_path_and_line(split: Split, name: str, path: str, reason: str, type_name: str) -> None:
    error = split.error(name)
    assert error["type"] == "CannotCross"
    function = getattr(main, name)
    line = line_of(function, "pricing.")
    assert (error["path"], error["reason"], error["line"]) == (path, reason, line)
    assert error["file"].endswith("main.py")
    assert error["callee"] in error["text"]
    assert f"main.py:{line}" in error["text"]
    events = split.report()["events"]
    (found,) = (e for e in events if e["line"] == line and e["file"].endswith("main.py"))
    assert (found["path"], found["reason"], found["type"]) == (path, reason, type_name)
    assert (found["caller"], found["handling"], found["count"]) == ("bazaar.main", "refused", 1)


def test_a_result_that_cannot_cross(split: Split) -> None:
    for _ in range(2):
        error = split.error("pricing:gives_lock")
        assert (error["type"], error["path"], error["reason"]) == ("CannotCross", "result", "live resource")
    found = event(split, "bazaar.pricing:gives_lock")
    assert (found["handling"], found["count"], found["obstacle"]) == ("refused", 2, "is a live resource")


def test_a_changed_argument_is_reported_and_refused_from_then_on(split: Split) -> None:
    for _ in range(2):
        error = split.error("discount_twice")
        assert (error["type"], error["reason"]) == ("CannotCross", "mutated argument")
        assert error["path"] == "arguments.lines[0].price"
    found = event(split, "bazaar.pricing:discount")
    assert (found["line"], found["count"]) == (line_of(main.discount_twice, "pricing.discount"), 2)
    assert found["obstacle"] == "is changed in place by the callee"


def test_kept_local_where_it_cannot_cross(split: Split) -> None:
    here = split.pid("main")
    assert split.run("reserve_local") == [here, here]
    found = event(split, "bazaar.inventory:reserve")
    assert (found["handling"], found["path"], found["reason"]) == (
        "kept local",
        "arguments.session",
        "live resource",
    )
    # With arguments that can cross, it does.
    assert split.run("inventory:stock", 1) == split.pid("inventory")
    # From a function kept local, calls to other services still cross.
    assert split.run("inventory:priced", 1) == split.pid("pricing")


def test_a_changed_argument_of_a_kept_local_module_keeps_its_effect(split: Split) -> None:
    # The first call runs there, once; its effect comes back. From then on it is local.
    assert split.run("take_local") == [1, split.pid("inventory"), split.pid("main")]
    found = event(split, "bazaar.inventory:take")
    assert (found["handling"], found["reason"], found["path"]) == (
        "kept local",
        "mutated argument",
        "arguments.stocks.left",
    )


def test_a_result_that_cannot_cross_of_a_kept_local_module_fails_once(split: Split) -> None:
    error = split.error("inventory:lock")
    assert (error["type"], error["path"], error["reason"]) == ("CannotCross", "result", "live resource")
    assert split.run("lock_local") == "lock"
    assert event(split, "bazaar.inventory:lock")["handling"] == "kept local"


def test_functions_named_local_never_cross(split: Split) -> None:
    assert split.run("inventory:always_here", 1) == split.pid("main")


def test_generator_functions_run_here_and_are_listed(split: Split) -> None:
    assert split.run("generate") == [[0, 1, 2], split.pid("main")]
    assert split.run("generate_async") == [0, 1, 2]
    for name in ("numbers", "held", "anumbers"):
        found = event(split, f"bazaar.pricing:{name}")
        assert (found["reason"], found["handling"], found["caller"]) == (
            "generator",
            "kept local",
            "bazaar.main",
        )


def test_the_report_names_the_process(split: Split) -> None:
    for service in ("main", "pricing", "inventory"):
        found = split.report(service)
        assert (found["service"], found["pid"]) == (service, split.pid(service))

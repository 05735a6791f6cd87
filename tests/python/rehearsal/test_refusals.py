"""Values that cannot cross are listed with path and call site, and their calls run in the caller."""

from __future__ import annotations

import inspect
import json
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
    ("name", "result", "path", "reason", "type_name"),
    [
        ("live_argument", 3, "arguments.session", "live resource", "_thread.lock"),
        ("nested_live_argument", 1, "arguments.value.items[1].lock", "live resource", "_thread.lock"),
        ("callback_argument", 1, "arguments.callback", "callback", "builtins.function"),
        ("generator_argument", 3, "arguments.value", "generator", "builtins.generator"),
        ("cyclic_argument", 1, "arguments.value[0]", "cyclic data", "list"),
    ],
)
def test_a_call_that_cannot_cross_runs_here_and_is_listed(
    split: Split, name: str, result: int, path: str, reason: str, type_name: str
) -> None:
    assert split.run(name) == result
    function = getattr(main, name)
    line = line_of(function, "pricing.")
    events = split.report()["events"]
    (found,) = (e for e in events if e["line"] == line and e["file"].endswith("main.py"))
    assert (found["path"], found["reason"], found["type"]) == (path, reason, type_name)
    assert (found["caller"], found["count"]) == ("bazaar.main", 1)


def test_arguments_that_can_cross_do(split: Split) -> None:
    here = split.pid("main")
    assert split.run("reserve_local") == [here, here]
    found = event(split, "bazaar.inventory:reserve")
    assert (found["path"], found["reason"]) == ("arguments.session", "live resource")
    assert split.run("inventory:stock", 1) == split.pid("inventory")
    # From a function that runs here, calls to other services still cross.
    assert split.run("inventory:priced", 1) == split.pid("pricing")


def test_a_changed_argument_goes_back(split: Split) -> None:
    assert split.run("take_local") == [1, split.pid("inventory"), split.pid("inventory")]
    assert not [e for e in split.report()["events"] if e["callee"] == "bazaar.inventory:take"]


def test_where_changes_do_not_go_back_the_call_stays(fresh_split: Split) -> None:
    fresh_split.document["send_back"] = False
    fresh_split.description.write_text(json.dumps(fresh_split.document))
    fresh_split.start("main", "inventory")
    # The first call runs there, once; its effect comes back. From then on it is local.
    pids = [fresh_split.pid("inventory"), fresh_split.pid("main")]
    assert fresh_split.run("take_local") == [1, *pids]
    found = event(fresh_split, "bazaar.inventory:take")
    assert (found["reason"], found["path"]) == ("mutated argument", "arguments.stocks.left")


def test_a_result_that_cannot_cross_fails_once(split: Split) -> None:
    error = split.error("inventory:lock")
    assert (error["type"], error["path"], error["reason"]) == ("CannotCross", "result", "live resource")
    assert split.run("lock_local") == "lock"
    found = event(split, "bazaar.inventory:lock")
    assert (found["count"], found["obstacle"]) == (1, "is a live resource")


def test_every_service_has_its_copy_of_a_copied_module(split: Split) -> None:
    for service in ("main", "pricing"):
        assert split.run("copies:where", service=service) == split.pid(service)


def test_functions_named_local_never_cross(split: Split) -> None:
    assert split.run("inventory:always_here", 1) == split.pid("main")


def test_generators_and_context_managers_run_there(split: Split) -> None:
    assert split.run("generate") == [[0, 1, 2], split.pid("pricing")]
    assert split.run("generate_async") == [0, 1, 2]
    calls = {call["callee"] for call in split.report()["calls"]}
    assert {f"bazaar.pricing:{name}" for name in ("numbers", "held", "anumbers")} <= calls


def test_the_report_names_the_process(split: Split) -> None:
    for service in ("main", "pricing", "inventory"):
        found = split.report(service)
        assert (found["service"], found["pid"]) == (service, split.pid(service))

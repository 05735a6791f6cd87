"""Values that are more than data: changes, service objects, iterators, context managers, and objects that stay."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rehearsal_support import DEADLINE_SECS, Split, by_uvicorn, wait_for

SHELF = ("put", "pid", "ticks", "report", "label", "each", "owner")
METHODS = [
    *(f"market.stock:Shelf.{name}" for name in SHELF),
    *("market.stock:Clock.tick", "market.carts:Cart.add", "market.carts:Cart.total"),
    *("market.main:Corner.report", "market.main:Corner.label"),
]


def market_split(stack: str, directory: Path, *options: str) -> Split:
    """Main and stock, under uvicorn with these options."""
    return Split(
        stack,
        directory,
        command=[*by_uvicorn("market.main:app"), *options],
        modules={"main": [], "stock": ["market.stock"]},
        packages=["market"],
        functions=METHODS,
        by_reference=["market.carts:Cart"],
        changing_functions=["market.stock:change_late"],
        local_functions=[],
        copied=[],
    )


@pytest.fixture(scope="module", params=["httpx", "grpc"])
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """Main and stock, shared by the tests of this module."""
    split = market_split(request.param, tmp_path_factory.mktemp(request.param))
    try:
        split.start("main", "stock")
        yield split
    finally:
        split.stop()


def answer(
    split: Split, name: str, *, thread: bool = True, deadline_secs: float = DEADLINE_SECS
) -> dict[str, Any]:
    """Let the app call one of its functions; on a thread, calls back are possible meanwhile."""
    url = split.url(f"/call?name={name}&thread={int(thread)}")
    with urllib.request.urlopen(url, timeout=deadline_secs) as response:
        found: dict[str, Any] = json.load(response)
    return found


def call(split: Split, name: str, *, thread: bool = True) -> Any:
    found = answer(split, name, thread=thread)
    assert "error" not in found, found
    return found["result"]


@pytest.mark.parametrize("thread", [False, True])
def test_changes_go_back_to_the_callers_own_objects(market: Split, thread: bool) -> None:
    found = call(market, "changes", thread=thread)
    assert found == {
        "numbers": [1, 2, 3],
        "table": {"kept": 2, "new": market.pid("stock")},
        "names": ["a", "b"],
        "item": ["changed", ["x"]],
        "model": [1, ["count"]],
        "nested": [{"deep": [[1]]}, [1]],
        "same": [True] * 4,
    }
    assert call(market, "changed_before_failure", thread=thread) == [[1], "too many"]
    # The objects change places; none of them gets the contents of the other.
    assert call(market, "swapped", thread=thread) == [True, True, "first"]


def test_a_function_that_changed_something_in_the_recording_is_watched_always(market: Split) -> None:
    assert call(market, "changed_late") == [30]


def test_a_service_object_goes_with_its_fields(market: Split) -> None:
    there = market.pid("stock")
    found = call(market, "shelves")
    (first, second) = found.pop("ticks")
    assert found == {
        "pid": there,
        "fluent": True,
        "items": ["a", "b"],
        "puts": 2,
        "each": [[there, "a"], [there, "b"]],
    }
    # Its clock has a name, and is the other side's own: one object, which keeps its state.
    assert (first[0], second[0], second[1] - first[1]) == (there, there, 1)
    assert call(market, "clock")[1] - second[1] == 1
    assert call(market, "bound") == there


def test_a_name_is_that_of_an_object_which_the_other_side_has(market: Split) -> None:
    there = market.pid("stock")
    assert call(market, "current") == [[there, 1], [there, 2]]
    assert call(market, "other_class") == 1


def test_a_method_runs_in_the_service_of_the_class_that_defines_it(market: Split) -> None:
    here, there = market.pid("main"), market.pid("stock")
    assert call(market, "corner") == [here, there, f"corner {here}", 0]


def calls_of_count(market: Split) -> int:
    calls = market.report()["calls"]
    return sum(call["count"] for call in calls if call["callee"] == "market.stock:count")


def test_items_of_iterators_come_in_batches(market: Split) -> None:
    there = market.pid("stock")
    before = calls_of_count(market)
    assert call(market, "counted") == [[there, i] for i in range(250)]
    assert calls_of_count(market) - before == 1
    assert call(market, "counted_async", thread=False) == [[there, i] for i in range(250)]
    assert call(market, "made") == ["generator", [0, 1, 2]]
    assert call(market, "failing") == [120, 120]
    error = answer(market, "locks")["error"]
    assert error.startswith("CannotCross: result[0] cannot cross"), error


def test_abandoned_iterators_are_closed(market: Split) -> None:
    # Two thousand messages, one after the other, take a while on a machine that does much else.
    closed = answer(market, "abandoned", deadline_secs=10 * DEADLINE_SECS)["result"]
    assert {1000 + n for n in range(1000)} <= {n for n in closed if isinstance(n, int)}
    assert -500 in call(market, "abandoned_async", thread=False)


def test_context_managers_are_entered_and_left_there(market: Split) -> None:
    there = market.pid("stock")
    value, inside, ended = call(market, "contexts")
    assert (value, inside) == ([there, "one"], "open one")
    assert ended == ["close one", "open two", "suppressed", "close two"]
    assert answer(market, "failing_context") == {"error": "ZeroDivisionError: here"}
    assert call(market, "contexts_async", thread=False) == [[there, "four"], "open four", "close four"]


def test_an_object_by_reference_stays_where_it_is(market: Split) -> None:
    here, there = market.pid("main"), market.pid("stock")
    filled, items, note, last, is_same = call(market, "cart")
    assert filled == [there, [here, 2], ["apple", "pear"], True, "Cart"]
    assert (items, note, last, is_same) == (["apple", "pear"], "filled", here, True)
    uses = {(use["class"], use["caller"]) for use in market.report("stock")["uses"]}
    assert ("market.carts:Cart", "market.stock") in uses
    calls = {call["callee"] for call in market.report("stock")["calls"]}
    assert {"market.carts:Cart.add", "market.carts:Cart.total"} <= calls


def test_setters_and_deleters_run_where_their_class_lives(market: Split) -> None:
    stock = market.pid("stock")
    assert call(market, "owned") == [[stock, [[stock, "ada"], [stock, "bob"]]], [[stock, "nobody"]]]


def test_a_handle_ends_with_its_request(market: Split) -> None:
    call(market, "kept_cart")
    error = answer(market, "use_kept_cart")["error"]
    assert error.startswith("ObjectGone: "), error
    assert "its request has ended" in error


def linked(split: Split) -> None:
    """Let services call each other over links, each of which leads to the port that a service's processes share."""
    ports = {name: f"127.0.0.1:{service['rpc_port']}" for name, service in split.document["services"].items()}
    split.document["links"] = {
        caller: {callee: port for callee, port in ports.items() if callee != caller} for caller in ports
    }
    split.description.write_text(json.dumps(split.document))


@pytest.mark.parametrize("by_link", [False, True])
@pytest.mark.parametrize("stack", ["httpx", "grpc"])
def test_a_handle_leads_to_the_process_that_keeps_its_object(
    stack: str, by_link: bool, tmp_path: Path
) -> None:
    def both_workers_answered() -> bool:
        split = market_split(stack, Path(tempfile.mkdtemp(dir=tmp_path)), "--workers", "2")
        if by_link:
            linked(split)
        try:
            split.start("main", "stock")
            # Side by side, so that each worker calls over several connections.
            with ThreadPoolExecutor(8) as pool:
                counted = list(pool.map(lambda _: call(split, "counted"), range(40)))
                carts = list(pool.map(lambda _: call(split, "cart"), range(40)))
        finally:
            split.stop()
        assert all(len(found) == 250 and len({pid for pid, _ in found}) == 1 for found in counted)
        assert {tuple(items) for _, items, *_ in carts} == {("apple", "pear")}
        # One connection of gRPC carries all calls of a process, and leads to one worker.
        return stack == "grpc" or len({found[0][0] for found in counted}) == 2

    # The kernel chooses a worker per connection: at times it is the same one for all, which shows little.
    wait_for(both_workers_answered, "calls that both workers of a service answer")


def test_threads_that_keep_the_first_objects_side_by_side_name_one_process() -> None:
    from splitcost.rehearsal.live import Handle, Held

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(300):
                held, start = Held("stock"), threading.Barrier(4)

                def keep(number: int, held: Held = held, start: threading.Barrier = start) -> Handle:
                    start.wait(DEADLINE_SECS)
                    return held.keep([number], "request")

                assert all(held.is_here(handle) for handle in pool.map(keep, range(4)))
    finally:
        sys.setswitchinterval(interval)


def test_a_handle_ends_with_its_process(market: Split) -> None:
    from splitcost.rehearsal.errors import ObjectGone
    from splitcost.rehearsal.live import Handle, Held

    held = Held("stock")
    handle = held.keep([1], "request")
    assert held.find(handle, "request") == [1]
    assert held.keep([2], "request").number != handle.number
    restarted = Held("stock")
    with pytest.raises(ObjectGone, match="its process of service stock has ended"):
        restarted.find(Handle(*handle), "request")
    # Another process that answers at its port must not ask there again.
    restarted.port = 8000
    assert restarted.leads_here(handle._replace(port=8000))
    assert not restarted.leads_here(handle._replace(port=8001))
    assert os.getpid() != market.pid("stock")

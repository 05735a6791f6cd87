"""The measuring loop that calibrations and benchmarks share, without a network."""

from __future__ import annotations

import asyncio
import collections
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from splitcost.stacks.harness import (
    Load,
    Measured,
    each_followed_by,
    for_a_while,
    run_awaiting,
    run_blocking,
)

Measure = Callable[[Callable[[], object] | None, Load], Measured]


def blocking(call: Callable[[], object] | None, load: Load) -> Measured:
    return run_blocking(call, load)


def awaiting(call: Callable[[], object] | None, load: Load) -> Measured:
    if call is None:
        return asyncio.run(run_awaiting(None, load))

    async def awaited() -> None:
        call()
        await asyncio.sleep(0)

    return asyncio.run(run_awaiting(awaited, load))


BOTH = pytest.mark.parametrize("measure", [blocking, awaiting])


@BOTH
@pytest.mark.parametrize("callers", [1, 3])
def test_callers_share_the_calls_and_warm_up_does_not_count(measure: Measure, callers: int) -> None:
    made: list[int] = []
    load = Load(os.getpid(), each_followed_by([0.0] * 7), [2] * callers, repeats=5)
    measured = measure(lambda: made.append(1), load)
    assert len(made) == 2 * callers + 7 * 5
    assert len(measured.wall_nanos) == 7
    assert len(measured.readings) == 2
    assert measured.elapsed_nanos >= max(measured.wall_nanos) > 0
    # Client and server are this process: its CPU clock by its own name and by its number.
    client, server = measured.cpu_nanos
    assert client > 0
    assert server > 0


@BOTH
def test_each_caller_makes_a_call_though_no_time_is_left(measure: Measure) -> None:
    measured = measure(lambda: None, Load(os.getpid(), for_a_while(0.0, 3), [0] * 3))
    assert len(measured.wall_nanos) == 3


@BOTH
@pytest.mark.parametrize("callers", [1, 2])
def test_cpu_is_read_at_each_call(measure: Measure, callers: int) -> None:
    load = Load(os.getpid(), each_followed_by([0.0, 0.001] * 3), [1] * callers, reads_each_call=True)
    measured = measure(lambda: sum(range(10_000)), load)
    client, server = measured.cpu_nanos_each
    assert (len(measured.wall_nanos), len(client), len(server)) == (6, 6, 6)
    assert min(client) >= 0
    assert sum(client) > 0


@BOTH
def test_the_pauses_alone_are_measured_like_the_calls(measure: Measure) -> None:
    measured = measure(None, Load(os.getpid(), each_followed_by([0.001] * 4), [9], reads_each_call=True))
    assert measured.wall_nanos == []
    assert len(measured.cpu_nanos_each[0]) == 4
    assert measured.elapsed_nanos >= 4_000_000


def caller() -> object:
    """The thread or task that calls."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return threading.current_thread()


@BOTH
@pytest.mark.parametrize("warm_up", [0, 1])
def test_an_error_of_a_call_ends_all_callers_and_is_raised(measure: Measure, warm_up: int) -> None:
    calls: collections.Counter[object] = collections.Counter()
    raised = threading.Event()

    def call() -> Any:
        calls[caller()] += 1
        # Every caller is past its warm-up: none may go on for the hour.
        if not raised.is_set() and sum(count > 1 for count in list(calls.values())) == 4:
            raised.set()
            raise ConnectionError("in the middle")

    load = Load(os.getpid(), for_a_while(3600.0, 4), [warm_up] * 4)
    with pytest.raises(ConnectionError, match="in the middle"):
        measure(call, load)


@BOTH
def test_an_error_while_warming_up_is_raised(measure: Measure) -> None:
    callers: set[object] = set()

    def call() -> Any:
        callers.add(caller())
        if len(callers) == 3:
            raise ConnectionError("the third caller")

    with pytest.raises(ConnectionError, match="the third caller"):
        measure(call, Load(os.getpid(), for_a_while(3600.0, 3), [1] * 3))

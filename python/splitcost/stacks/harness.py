"""The measuring loop of calibrations and benchmarks: callers that repeat one call, and the clocks.

A :class:`Load` says who calls and how the calls follow each other. :func:`run_blocking` and
:func:`run_awaiting` apply it to a call and return what was :class:`Measured`. CPU time is that of the whole
processes, each read by its own clock: the client's is this process.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

NextPause = Callable[[], float | None]
"""Called when a caller is ready: the seconds to wait after its next call, or ``None`` when no call is due."""

Schedule = Callable[[int], NextPause]
"""Given the start in nanoseconds of ``time.perf_counter_ns``, the pauses that all callers share."""


def each_followed_by(pauses: Sequence[float]) -> Schedule:
    """Return a schedule of one call per pause; callers take the pauses in turn."""

    def begin(_began: int) -> NextPause:
        ahead = iter(pauses)
        return lambda: next(ahead, None)

    return begin


def for_a_while(secs: float, callers: int) -> Schedule:
    """Return a schedule of calls without pauses until the time is over; each caller makes at least one."""

    def begin(began: int) -> NextPause:
        until = began + int(secs * 1e9)
        first = itertools.count()
        return lambda: 0.0 if time.perf_counter_ns() < until or next(first) < callers else None

    return begin


@dataclass(frozen=True)
class Load:
    """The callers, their calls, and the clocks that are read."""

    server_pid: int
    schedule: Schedule
    warm_up: Sequence[int]
    """For each caller the calls that it makes first, which do not count."""
    repeats: int = 1
    """Calls one after the other that count as one."""
    reads_each_call: bool = False
    """True to read the CPU clocks at the beginning of each call, not only around all of them."""


class Reading(NamedTuple):
    """Both processes' CPU clocks at one moment."""

    client_nanos: int
    server_nanos: int


@dataclass
class Measured:
    """The wall time of each call, and the readings of the CPU clocks."""

    server_clock: int
    wall_nanos: list[int] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    began: int = 0
    ended: int = 0

    def read(self) -> None:
        """Read both clocks: a call begins, or all have ended."""
        self.readings.append(Reading(time.process_time_ns(), time.clock_gettime_ns(self.server_clock)))

    @property
    def elapsed_nanos(self) -> int:
        """The time from the first call to the last caller's end."""
        return self.ended - self.began

    @property
    def cpu_nanos(self) -> Reading:
        """CPU time of client and server from the first reading to the last."""
        first, last = self.readings[0], self.readings[-1]
        return Reading(last.client_nanos - first.client_nanos, last.server_nanos - first.server_nanos)

    @property
    def cpu_nanos_each(self) -> tuple[list[int], list[int]]:
        """CPU time of client and server from each reading to the next; simultaneous callers share theirs."""
        client = sorted(reading.client_nanos for reading in self.readings)
        server = sorted(reading.server_nanos for reading in self.readings)
        return [b - a for a, b in pairwise(client)], [b - a for a, b in pairwise(server)]


def cpu_clock(pid: int) -> int:
    """Return the CPU clock of another process.

    Spec: clock_getcpuclockid(3) computes the number in the same way.
    """
    return (~pid << 3) | 2


def run_on_usual_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on the event loop that uvicorn would choose."""
    with asyncio.Runner(loop_factory=usual_loop()) as runner:
        return runner.run(main)


def usual_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of the event loop that uvicorn would choose; ``None`` for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def run_blocking(call: Callable[[], object] | None, load: Load) -> Measured:
    """Measure a call that blocks; without a call, only the pauses.

    One caller is this thread; several are threads that begin at once. The first error of a call is raised.
    """
    measured = Measured(cpu_clock(load.server_pid))
    callers = len(load.warm_up)
    ready, go = threading.Barrier(callers), threading.Barrier(callers)
    failed: list[Exception] = []
    begun: list[NextPause] = []

    def begin() -> None:
        measured.began = time.perf_counter_ns()
        if not load.reads_each_call:
            measured.read()
        begun.append(load.schedule(measured.began))

    def caller(warm_up: int) -> None:
        try:
            if call is not None:
                for _ in range(warm_up):
                    call()
            if ready.wait() == 0:
                begin()
            go.wait()
            next_pause = begun[0]
            while not failed and (pause := next_pause()) is not None:
                if load.reads_each_call:
                    measured.read()
                if call is not None:
                    began = time.perf_counter_ns()
                    for _ in range(load.repeats):
                        call()
                    measured.wall_nanos.append(time.perf_counter_ns() - began)
                if pause:
                    time.sleep(pause)
        except threading.BrokenBarrierError:
            pass
        except Exception as error:
            failed.append(error)
            ready.abort()
            go.abort()

    if callers == 1:
        caller(load.warm_up[0])
    else:
        threads = [
            threading.Thread(target=copy_context().run, args=(caller, warm_up)) for warm_up in load.warm_up
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    measured.ended = time.perf_counter_ns()
    measured.read()
    return measured


async def run_awaiting(call: Callable[[], Awaitable[object]] | None, load: Load) -> Measured:
    """Measure a call that is awaited; without a call, only the pauses.

    Several callers are tasks of the running loop. The first error of a call is raised.
    """
    measured = Measured(cpu_clock(load.server_pid))

    async def warm_up(calls: int) -> None:
        if call is not None:
            for _ in range(calls):
                await call()

    async def caller(next_pause: NextPause) -> None:
        while (pause := next_pause()) is not None:
            if load.reads_each_call:
                measured.read()
            if call is not None:
                began = time.perf_counter_ns()
                for _ in range(load.repeats):
                    await call()
                measured.wall_nanos.append(time.perf_counter_ns() - began)
            if pause:
                await asyncio.sleep(pause)

    async def together(coroutines: list[Coroutine[Any, Any, None]]) -> None:
        if len(coroutines) == 1:
            await coroutines[0]
            return
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)

    try:
        await together([warm_up(calls) for calls in load.warm_up])
        measured.began = time.perf_counter_ns()
        if not load.reads_each_call:
            measured.read()
        next_pause = load.schedule(measured.began)
        await together([caller(next_pause) for _ in load.warm_up])
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    measured.ended = time.perf_counter_ns()
    measured.read()
    return measured

"""The calling side of a measurement: ``python -m splitcost.stacks drive``.

It answers lines of JSON on stdin with lines of JSON on stdout. A question is one cell::

    {"client": "aiohttp", "transport": "http/1.1", "url": …, "pid": of the server, "codec": "orjson",
     "payload": {"bytes": 1000} | {"nodes": 100, "bytes": 1000} | {"value": …}, "concurrency": 8,
     "secs": 0.1 | "calls": 200, "repeats": 1}

Callers share the calls and make their next at once, until the time is over or all are made. ``repeats`` calls
one after the other count as one. A client is made for each question: its connections are opened by calls that
do not count.

The answer: ``{"wall_nanos": [one per call], "client_cpu_nanos": of all, "server_cpu_nanos": of all,
"elapsed_nanos": …, "sent_bytes": of a body, "received_bytes": …}``; CPU is that of the whole processes, each
read by its own clock. Or ``{"error": …}`` when a call failed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from splitcost.stacks import Status, Unreachable, find

DEADLINE_SECS = 30.0
"""Of one call."""


class Cell:
    """One question."""

    def __init__(self, question: dict[str, Any], token: str) -> None:
        module = find("clients", question["client"])
        transport = question["transport"]
        if transport not in module.TRANSPORTS:
            speaks = " and ".join(module.TRANSPORTS)
            raise ValueError(f"the client {question['client']} speaks {speaks}, not {transport}")
        self.awaits = module.AWAITS
        self.make: Callable[[], Any] = lambda: module.make(transport)
        # One that connects for every call has nothing to open beforehand.
        self.warm_up_calls = 1 if getattr(module, "PER_CALL", False) else 2
        self.value = payload(question["payload"])
        self.codec = find("codecs", question.get("codec", "orjson")).make(self.value)
        self.url, self.token = str(question["url"]), token
        self.callers = max(int(question.get("concurrency", 1)), 1)
        self.calls = question.get("calls")
        self.secs = question.get("secs")
        self.repeats = int(question.get("repeats", 1))
        self.server_clock = cpu_clock(int(question["pid"]))
        self.walls: list[int] = []
        self.received_bytes = 0
        self.began = (0, 0, 0)

    def begin(self) -> Callable[[], bool]:
        """All counts from here on; gives what tells whether another call is due."""
        self.began = self._clocks()
        if self.calls is not None:
            numbers = itertools.count()
            return lambda: next(numbers) < self.calls
        until = self.began[0] + int(float(self.secs) * 1e9)
        # Everybody makes one: a cell without a call would say nothing.
        first = itertools.count()
        return lambda: time.perf_counter_ns() < until or next(first) < self.callers

    def _clocks(self) -> tuple[int, int, int]:
        return time.perf_counter_ns(), time.process_time_ns(), time.clock_gettime_ns(self.server_clock)

    def found(self) -> dict[str, Any]:
        """The answer."""
        elapsed, client, server = (b - a for a, b in zip(self.began, self._clocks(), strict=True))
        size = len(self.codec.encode(self.value))
        return {
            "wall_nanos": self.walls,
            "client_cpu_nanos": client,
            "server_cpu_nanos": server,
            "elapsed_nanos": elapsed,
            "sent_bytes": size,
            "received_bytes": self.received_bytes,
        }

    def check(self, answer: Any) -> Any:
        """The value of an answer; raises if it is none."""
        if answer.status != Status.OK:
            raise Unreachable(f"the server answered {answer.status} {answer.body[:200]!r}")
        self.received_bytes = len(answer.body)
        return self.codec.decode(answer.body)

    def run(self) -> dict[str, Any]:
        """Measure."""
        return asyncio_run(self._awaiting()) if self.awaits else self._blocking()

    def _blocking(self) -> dict[str, Any]:
        client = self.make()
        encode, call, check = self.codec.encode, client.call, self.check
        ready, failed = threading.Barrier(self.callers + 1), []
        due: list[Callable[[], bool]] = []

        def once() -> None:
            check(call(self.url, self.token, encode(self.value), DEADLINE_SECS))

        def caller(warm_up: int) -> None:
            try:
                for _ in range(warm_up):
                    once()
                ready.wait()
                ready.wait()
                while not failed and due[0]():
                    began = time.perf_counter_ns()
                    for _ in range(self.repeats):
                        once()
                    self.walls.append(time.perf_counter_ns() - began)
            except threading.BrokenBarrierError:
                pass
            except Exception as error:
                failed.append(error)
                ready.abort()

        warm_up = [self.warm_up_calls if self.warm_up_calls > 1 or i == 0 else 0 for i in range(self.callers)]
        threads = [threading.Thread(target=caller, args=(calls,)) for calls in warm_up]
        for thread in threads:
            thread.start()
        try:
            ready.wait()
            due.append(self.begin())
            ready.wait()
        except threading.BrokenBarrierError:
            pass
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        found = self.found()
        client.close()
        return found

    async def _awaiting(self) -> dict[str, Any]:
        client = self.make()
        encode, call, check = self.codec.encode, client.call, self.check

        async def once() -> None:
            check(await call(self.url, self.token, encode(self.value), DEADLINE_SECS))

        async def warm_up() -> None:
            for _ in range(self.warm_up_calls):
                await once()

        async def caller(due: Callable[[], bool]) -> None:
            while due():
                began = time.perf_counter_ns()
                for _ in range(self.repeats):
                    await once()
                self.walls.append(time.perf_counter_ns() - began)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.callers if self.warm_up_calls > 1 else 1):
                    group.create_task(warm_up())
            due = self.begin()
            async with asyncio.TaskGroup() as group:
                for _ in range(self.callers):
                    group.create_task(caller(due))
            return self.found()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await client.close()


def payload(described: dict[str, Any]) -> Any:
    """The value that is sent: as given, or rows of so many values and bytes of JSON."""
    if "value" in described:
        return described["value"]
    from splitcost.stacks.payload import rows

    return rows(int(described["bytes"]), described.get("nodes"))


def cpu_clock(pid: int) -> int:
    """The CPU clock of another process, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def asyncio_run(main: Any) -> Any:
    """Run a coroutine on the event loop that uvicorn would choose."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run(token: str) -> int:
    """Answer questions until stdin ends."""
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            found = Cell(json.loads(line), token).run()
        except (Unreachable, ImportError, ValueError, TypeError, KeyError, OSError) as error:
            found = {"error": f"{type(error).__name__}: {error}".rstrip(": ")}
        print(json.dumps(found), flush=True)
    return 0

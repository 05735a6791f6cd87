"""The calibration's client: answers lines of JSON on stdin with lines of JSON on stdout.

A question: ``{"client": "async"|"sync", "handler": "async"|"sync", "gap_micros": 2000, "calls": 100,
"concurrency": 1, "payload": {"nodes": 100, "bytes": 1000, "kind": "plain"|"adapter"}}``. The payload is for
arguments and result together, half each; or give them apart as ``{"arguments": {…}, "result": {…}}``. With
gap 0, ``concurrency`` callers each make their next call at once.

Its answer: ``{"wall_nanos": [one per call], "client_cpu_nanos": total, "server_cpu_nanos": total, "nodes":
per call, "bytes": per call}``. CPU is that of the whole process, each read by its own clock. What the pauses
themselves cost, on both sides, is measured by the same pauses without calls right after, and taken off.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
import time
from contextvars import copy_context
from typing import Any

from splitcost import codec, rehearsal
from splitcost.calibration.payload import build, count_nodes
from splitcost.calibration.server import config
from splitcost.rehearsal.context import current, new_request

WARM_UP_CALLS = 5
"""Chosen: opens the connections and brings back what cells before drove out of the caches; not measured."""

Spec = tuple[str, int, int]


class Client:
    """One process's side of the measurement."""

    def __init__(self, stack: str, token: str, port: int) -> None:
        runtime = rehearsal.start(config(stack, token, "main", port))
        from splitcost.calibration import functions

        # The server decides how a function runs, the client how it waits: all four pairs.
        handlers = {"sync": functions.answer, "async": functions.answer_async}
        self._stubs: dict[tuple[str, str], Any] = {
            (client, handler): runtime.stub_of(
                inspect.unwrap(stub), functions.__name__, stub.__name__, awaited=client == "async"
            )
            for client in ("sync", "async")
            for handler, stub in handlers.items()
        }
        current.set(new_request("main"))
        self._runner = asyncio.Runner(loop_factory=_loop_factory())
        # CLOCK_PROCESS_CPUTIME_ID of another process, as clock_getcpuclockid(3) makes it.
        self._server_clock = (~functions.process_id() << 3) | 2

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Measure one cell."""
        arguments, result = _specs(question["payload"])
        payload = build(*arguments)
        stub = self._stubs[question["client"], question["handler"]]
        calls, width = int(question["calls"]), max(int(question.get("concurrency") or 1), 1)
        gap = question["gap_micros"] / 1e6
        run = self._run_async if question["client"] == "async" else self._run_sync

        def call() -> Any:
            return stub(payload, *result)

        run(call, WARM_UP_CALLS * width, width, 0.0)
        walls, client_cpu, server_cpu = self._measured(run, call, calls, width, gap)
        if gap:
            _, idle_client, idle_server = self._measured(run, None, calls, width, gap)
            client_cpu, server_cpu = max(client_cpu - idle_client, 0), max(server_cpu - idle_server, 0)
        sent, received = codec.encode([[payload, *result], {}]), codec.encode(build(*result))
        return {
            "wall_nanos": walls,
            "client_cpu_nanos": client_cpu,
            "server_cpu_nanos": server_cpu,
            "nodes": count_nodes(payload) + len(result) + count_nodes(build(*result)),
            "bytes": len(sent) + len(received) + 1,
        }

    def _measured(
        self, run: Any, call: Any, calls: int, width: int, gap: float
    ) -> tuple[list[int], int, int]:
        server, client = time.clock_gettime_ns(self._server_clock), time.process_time_ns()
        walls = run(call, calls, width, gap)
        return (
            walls,
            time.process_time_ns() - client,
            time.clock_gettime_ns(self._server_clock) - server,
        )

    def _run_async(self, call: Any, calls: int, width: int, gap: float) -> list[int]:
        walls: list[int] = []

        async def caller(count: int) -> None:
            for _ in range(count):
                if call is not None:
                    began = time.perf_counter_ns()
                    await call()
                    walls.append(time.perf_counter_ns() - began)
                if gap:
                    await asyncio.sleep(gap)

        async def callers() -> None:
            if width == 1:
                await caller(calls)
            else:
                await asyncio.gather(*(caller(count) for count in _shares(calls, width)))

        self._runner.run(callers(), context=copy_context())
        return walls

    def _run_sync(self, call: Any, calls: int, width: int, gap: float) -> list[int]:
        walls: list[int] = []

        def caller(count: int) -> None:
            for _ in range(count):
                if call is not None:
                    began = time.perf_counter_ns()
                    call()
                    walls.append(time.perf_counter_ns() - began)
                if gap:
                    time.sleep(gap)

        if width == 1:
            caller(calls)
        else:
            threads = [
                threading.Thread(target=copy_context().run, args=(caller, count))
                for count in _shares(calls, width)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return walls


def _specs(payload: dict[str, Any]) -> tuple[Spec, Spec]:
    if "arguments" in payload:
        return _spec(payload["arguments"]), _spec(payload["result"])
    kind = payload.get("kind", "plain")
    nodes, size = int(payload["nodes"]), int(payload["bytes"])
    return (kind, nodes - nodes // 2, size - size // 2), (kind, nodes // 2, size // 2)


def _spec(part: dict[str, Any]) -> Spec:
    return part.get("kind", "plain"), int(part["nodes"]), int(part["bytes"])


def _shares(total: int, width: int) -> list[int]:
    return [total // width + (i < total % width) for i in range(width)]


def _loop_factory() -> Any:
    """The event loop that uvicorn would choose for the app."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(stack: str, token: str, port: int) -> int:
    """Answer questions until stdin ends."""
    client = Client(stack, token, port)
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(client.answer(json.loads(line))), flush=True)
    return 0

"""The calibration's client: answers lines of JSON on stdin with lines of JSON on stdout.

A question: ``{"client": "async"|"sync", "handler": "async"|"sync", "pauses_micros": [200, 200, 20000],
"repeats": 5, "callers": 1, "payload": {"nodes": 100, "bytes": 1000, "kind": "plain"|"adapter"}}``: a call,
then the first pause, and so on. The payload is for arguments and result together, half each; or give them
apart as ``{"arguments": {…}, "result": {…}}``. Several ``callers`` share the calls and make their next at
once.

Its answer: ``{"wall_nanos": […], "client_cpu_nanos": […], "server_cpu_nanos": […], "elapsed_nanos": all
calls and pauses, "nodes": per call, "bytes": per call}``, lists with one element per call. CPU is that of the
whole process, each read by its own clock, until the next call begins. What the pauses themselves cost, on
both sides, is measured by the same pauses without calls right after, and taken off. Of several callers'
calls only the mean CPU is known.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
import time
from contextvars import copy_context
from itertools import pairwise
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
        run = self._run_async if question["client"] == "async" else self._run_sync
        pauses = [micros / 1e6 for micros in question["pauses_micros"]] * int(question["repeats"])
        callers = max(int(question.get("callers") or 1), 1)

        def call() -> Any:
            return stub(payload, *result)

        run(call, [0.0] * WARM_UP_CALLS * callers, callers)
        began = time.perf_counter_ns()
        calls = run(call, pauses, callers)
        elapsed = time.perf_counter_ns() - began
        client, server = calls.cpu_nanos()
        if any(pauses):
            idle_client, idle_server = run(None, pauses, callers).cpu_nanos()
            client, server = _less(client, idle_client), _less(server, idle_server)
        sent, received = codec.encode([[payload, *result], {}]), codec.encode(build(*result))
        return {
            "wall_nanos": calls.walls,
            "client_cpu_nanos": client,
            "server_cpu_nanos": server,
            "elapsed_nanos": elapsed,
            "nodes": count_nodes(payload) + len(result) + count_nodes(build(*result)),
            "bytes": len(sent) + len(received) + 1,
        }

    def _run_async(self, call: Any, pauses: list[float], callers: int) -> _Log:
        log = _Log(self._server_clock)

        async def caller(pauses: list[float]) -> None:
            for pause in pauses:
                log.mark()
                if call is not None:
                    began = time.perf_counter_ns()
                    await call()
                    log.walls.append(time.perf_counter_ns() - began)
                if pause:
                    await asyncio.sleep(pause)

        async def together() -> None:
            await asyncio.gather(*(caller(pauses[i::callers]) for i in range(callers)))

        self._runner.run(caller(pauses) if callers == 1 else together(), context=copy_context())
        log.mark()
        return log

    def _run_sync(self, call: Any, pauses: list[float], callers: int) -> _Log:
        log = _Log(self._server_clock)

        def caller(pauses: list[float]) -> None:
            for pause in pauses:
                log.mark()
                if call is not None:
                    began = time.perf_counter_ns()
                    call()
                    log.walls.append(time.perf_counter_ns() - began)
                if pause:
                    time.sleep(pause)

        if callers == 1:
            caller(pauses)
        else:
            threads = [
                threading.Thread(target=copy_context().run, args=(caller, pauses[i::callers]))
                for i in range(callers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        log.mark()
        return log


class _Log:
    """What some calls took: wall time of each, and both processes' CPU clocks at each one's beginning."""

    def __init__(self, server_clock: int) -> None:
        self.walls: list[int] = []
        self._server_clock = server_clock
        self._marks: tuple[list[int], list[int]] = ([], [])

    def mark(self) -> None:
        """Read both clocks: a call begins, or all have ended."""
        self._marks[0].append(time.process_time_ns())
        self._marks[1].append(time.clock_gettime_ns(self._server_clock))

    def cpu_nanos(self) -> tuple[list[int], list[int]]:
        """CPU of client and server from each mark to the next; callers beside each other share theirs."""
        client, server = (sorted(marks) for marks in self._marks)
        return [b - a for a, b in pairwise(client)], [b - a for a, b in pairwise(server)]


def _less(busy: list[int], idle: list[int]) -> list[int]:
    return [max(a - b, 0) for a, b in zip(busy, idle, strict=True)]


def _specs(payload: dict[str, Any]) -> tuple[Spec, Spec]:
    if "arguments" in payload:
        return _spec(payload["arguments"]), _spec(payload["result"])
    kind = payload.get("kind", "plain")
    nodes, size = int(payload["nodes"]), int(payload["bytes"])
    return (kind, nodes - nodes // 2, size - size // 2), (kind, nodes // 2, size // 2)


def _spec(part: dict[str, Any]) -> Spec:
    return part.get("kind", "plain"), int(part["nodes"]), int(part["bytes"])


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

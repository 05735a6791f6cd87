"""The calibration's client: answers lines of JSON on stdin with lines of JSON on stdout.

A question: ``{"client": "async"|"sync", "handler": "async"|"sync", "pauses_micros": [200, 200, 20000],
"repeats": 5, "callers": 1, "payload": {"nodes": 100, "bytes": 1000, "kind": "plain"|"adapter"}, "work":
["around"|"inside", 20]}``: a call, then the first pause, and so on. The payload is for arguments and
result together, half each; or give them apart as ``{"arguments": {…}, "result": {…}}``. Several ``callers``
share the calls and make their next at once. The pieces of ``work`` (default: none) are done by the client
around each call, half before it and half after it, or by the function that is called. With ``"changes":
true`` the function changes all rows of its argument, which is the whole payload, and returns nothing.

Its answer: ``{"wall_nanos": […], "client_cpu_nanos": […], "server_cpu_nanos": […], "elapsed_nanos": all
calls and pauses, "nodes": per call, "bytes": per call, "work_nanos": per call}``, lists with one element per
call. CPU is that of the whole process, each read by its own clock, until the next call begins. The cost of the
pauses and of the work themselves, on both sides, is measured by the same pauses and the same work in the
client, without calls, right after, and subtracted: what is left is what the call adds. Of several simultaneous
callers' calls only the mean CPU is known. :mod:`splitcost.stacks.harness` measures, here as in benchmarks.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from contextvars import copy_context
from statistics import mean, median
from typing import Any

from splitcost import codec, rehearsal
from splitcost.calibration.payload import build, count_nodes
from splitcost.calibration.server import config
from splitcost.calibration.work import work
from splitcost.rehearsal.context import current, new_request
from splitcost.stacks.harness import (
    Load,
    Measured,
    each_followed_by,
    run_awaiting,
    run_blocking,
    usual_loop,
)

WARM_UP_CALLS = 5
"""The calls of each caller that are not measured.

Chosen: they open the connections, and bring back into the caches what earlier questions drove out.
"""

PayloadSpec = tuple[str, int, int]
"""Kind, values and bytes of a payload, as :func:`splitcost.calibration.payload.build` takes them."""


class Client:
    """One process's side of the measurement."""

    def __init__(self, stack: str, token: str, port: int, with_flask: bool) -> None:
        runtime = rehearsal.start(config(stack, token, "main", port))
        from splitcost.calibration import functions

        # The server decides how a function runs, the client how it waits: all four pairs.
        handlers: dict[tuple[str, bool], Callable[..., Any]] = {
            ("sync", False): functions.answer,
            ("async", False): functions.answer_async,
            ("sync", True): functions.change,
            ("async", True): functions.change_async,
        }
        self._stubs: dict[tuple[str, str, bool], Callable[..., Any]] = {
            (client, handler, changes): runtime.stub_of(
                inspect.unwrap(stub), functions.__name__, stub.__name__, awaited=client == "async"
            )
            for client in ("sync", "async")
            for (handler, changes), stub in handlers.items()
        }
        if with_flask:
            from splitcost.calibration import flask_app

            flask_app.enter_request(flask_app.make())
        current.set(new_request("main"))
        self._runner = asyncio.Runner(loop_factory=usual_loop())
        self._server_pid = functions.process_id()

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Measure the calls of one question."""
        changes = bool(question.get("changes"))
        arguments, result = _payload_specs(question["payload"], all_sent=changes)
        payload = build(*arguments)
        stub = self._stubs[question["client"], question["handler"], changes]
        awaits = question["client"] == "async"
        pauses = [micros / 1e6 for micros in question["pauses_micros"]] * int(question["repeats"])
        callers = max(int(question.get("callers") or 1), 1)
        load = Load(
            self._server_pid, each_followed_by(pauses), [WARM_UP_CALLS] * callers, reads_each_call=True
        )
        spot, pieces = question.get("work") or ("around", 0)
        around, inside = (pieces, 0) if spot == "around" else (0, pieces)
        # What is built is built once for all: no other question wants it changed.
        message = [copy.deepcopy(payload)] if changes else [payload, *result, inside]
        answer = None if changes else build(*result)
        calls = self._run(_amid(lambda: stub(*message), around, awaits), load, awaits)
        client, server = calls.cpu_nanos_each
        wall, work_nanos, elapsed = calls.wall_nanos, 0.0, calls.elapsed_nanos
        if any(pauses):
            idle_client, idle_server = self._run(None, load, awaits).cpu_nanos_each
            client, server = _less(client, idle_client), _less(server, idle_server)
        if pieces:
            at_home = self._run(_amid(_no_call(awaits), pieces, awaits), load, awaits)
            work_nanos = mean(at_home.cpu_nanos_each[0])
            wall = _without(wall, median(at_home.wall_nanos))
            elapsed = max(elapsed - at_home.elapsed_nanos, 0)
            if around:
                client = _without(client, work_nanos)
            else:
                server = _without(server, work_nanos)
        sent, received = codec.encode([message, {}]), codec.encode(answer)
        return {
            "wall_nanos": wall,
            "client_cpu_nanos": client,
            "server_cpu_nanos": server,
            "elapsed_nanos": elapsed,
            "nodes": sum(map(count_nodes, message)) + count_nodes(answer),
            "bytes": len(sent) + len(received) + 1,
            "work_nanos": work_nanos,
        }

    def _run(self, call: Callable[[], Any] | None, load: Load, awaits: bool) -> Measured:
        if awaits:
            return self._runner.run(run_awaiting(call, load), context=copy_context())
        return run_blocking(call, load)


def _amid(call: Callable[[], Any], pieces: int, awaits: bool) -> Callable[[], Any]:
    """Return a call with pieces of work before and after it."""
    if not pieces:
        return call
    before = pieces // 2

    def amid() -> None:
        work(before)
        call()
        work(pieces - before, before)

    async def amid_awaited() -> None:
        work(before)
        await call()
        work(pieces - before, before)

    return amid_awaited if awaits else amid


def _no_call(awaits: bool) -> Callable[[], Any]:
    async def no_call_awaited() -> None:
        pass

    return no_call_awaited if awaits else lambda: None


def _without(values: Sequence[int], part: float) -> list[int]:
    # Single ones may be negative; their mean is what is left.
    return [int(value - part) for value in values]


def _less(busy: list[int], idle: list[int]) -> list[int]:
    return [max(a - b, 0) for a, b in zip(busy, idle, strict=True)]


def _payload_specs(payload: dict[str, Any], *, all_sent: bool) -> tuple[PayloadSpec, PayloadSpec]:
    if all_sent:
        payload = {"arguments": payload, "result": {"nodes": 1, "bytes": 4}}
    if "arguments" in payload:
        return _payload_spec(payload["arguments"]), _payload_spec(payload["result"])
    kind = payload.get("kind", "plain")
    nodes, size = int(payload["nodes"]), int(payload["bytes"])
    return (kind, nodes - nodes // 2, size - size // 2), (kind, nodes // 2, size // 2)


def _payload_spec(part: dict[str, Any]) -> PayloadSpec:
    return part.get("kind", "plain"), int(part["nodes"]), int(part["bytes"])


def run(stack: str, token: str, port: int, with_flask: bool) -> int:
    """Answer questions until stdin ends."""
    client = Client(stack, token, port, with_flask)
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(client.answer(json.loads(line))), flush=True)
    return 0

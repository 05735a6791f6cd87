"""The calling side of a measurement: ``python -m splitcost.stacks drive``.

It answers lines of JSON on stdin with lines of JSON on stdout. A question describes one visit of a stack::

    {"client": "aiohttp", "transport": "http/1.1", "url": …, "pid": of the server, "codec": "orjson",
     "payload": {"bytes": 1000} | {"nodes": 100, "bytes": 1000} | {"value": …}, "concurrency": 8,
     "secs": 0.1 | "calls": 200, "repeats": 1}

Callers share the calls and make their next at once, until the time is over or all are made. ``repeats`` calls
one after the other count as one. A client is made for each question: its connections are opened by calls that
do not count.

The answer: ``{"wall_nanos": [one per call], "client_cpu_nanos": of all, "server_cpu_nanos": of all,
"elapsed_nanos": …, "sent_bytes": of a body, "received_bytes": …}``; or ``{"error": …}`` when a call failed.
:mod:`splitcost.stacks.harness` measures.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from splitcost.stacks import (
    Answer,
    AwaitingClientPart,
    BlockingClientPart,
    Status,
    Unreachable,
    find_client,
    find_codec,
)
from splitcost.stacks.harness import (
    Load,
    Measured,
    each_followed_by,
    for_a_while,
    run_awaiting,
    run_blocking,
    run_on_usual_loop,
)
from splitcost.stacks.payload import rows

DEADLINE_SECS = 30.0
"""The time limit of one call. Chosen: a thousand times a slow call over loopback."""


class Visit:
    """One question: calls of one kind over one stack."""

    def __init__(self, question: dict[str, Any], token: str) -> None:
        self._client = find_client(question["client"])
        self._transport = str(question["transport"])
        if self._transport not in self._client.transports:
            speaks = " and ".join(self._client.transports)
            raise ValueError(f"the client {question['client']} speaks {speaks}, not {self._transport}")
        self._value = _payload(question["payload"])
        self._codec = find_codec(question.get("codec", "orjson")).make(self._value)
        self._url, self._token = str(question["url"]), token
        self._received_bytes = 0
        callers = max(int(question.get("concurrency", 1)), 1)
        if "calls" in question:
            schedule = each_followed_by([0.0] * int(question["calls"]))
        else:
            schedule = for_a_while(float(question["secs"]), callers)
        # A client that connects for every call has nothing to open beforehand: one call imports its library.
        warm_up = [int(i == 0) for i in range(callers)] if self._client.per_call else [2] * callers
        self._load = Load(int(question["pid"]), schedule, warm_up, repeats=int(question.get("repeats", 1)))

    def run(self) -> dict[str, Any]:
        """Measure, and return the answer."""
        part = self._client
        if isinstance(part, AwaitingClientPart):
            measured = run_on_usual_loop(self._awaiting(part))
        else:
            assert isinstance(part, BlockingClientPart)
            measured = self._blocking(part)
        client_nanos, server_nanos = measured.cpu_nanos
        return {
            "wall_nanos": measured.wall_nanos,
            "client_cpu_nanos": client_nanos,
            "server_cpu_nanos": server_nanos,
            "elapsed_nanos": measured.elapsed_nanos,
            "sent_bytes": len(self._codec.encode(self._value)),
            "received_bytes": self._received_bytes,
        }

    def _blocking(self, part: BlockingClientPart) -> Measured:
        client = part.make(self._transport)
        encode, check = self._codec.encode, self._check

        def call() -> None:
            check(client.call(self._url, self._token, encode(self._value), DEADLINE_SECS))

        try:
            return run_blocking(call, self._load)
        finally:
            client.close()

    async def _awaiting(self, part: AwaitingClientPart) -> Measured:
        client = part.make(self._transport)
        encode, check = self._codec.encode, self._check

        async def call() -> None:
            check(await client.call(self._url, self._token, encode(self._value), DEADLINE_SECS))

        try:
            return await run_awaiting(call, self._load)
        finally:
            await client.close()

    def _check(self, answer: Answer) -> Any:
        """Return the value of an answer; raises if it has none."""
        if answer.status != Status.OK:
            raise Unreachable(f"the server answered {answer.status} {answer.body[:200]!r}")
        self._received_bytes = len(answer.body)
        return self._codec.decode(answer.body)


def _payload(described: dict[str, Any]) -> Any:
    """Return the value to send: the one given, or rows of so many values and bytes of JSON."""
    if "value" in described:
        return described["value"]
    return rows(int(described["bytes"]), described.get("nodes"))


def run(token: str) -> int:
    """Answer questions until stdin ends."""
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            found = Visit(json.loads(line), token).run()
        except (Unreachable, ImportError, ValueError, TypeError, KeyError, OSError) as error:
            found = {"error": f"{type(error).__name__}: {error}".rstrip(": ")}
        print(json.dumps(found), flush=True)
    return 0

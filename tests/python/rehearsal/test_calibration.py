"""The two halves of a calibration, as the command line drives them."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rehearsal_support import PACKAGE_PARENT
from splitcost import codec
from splitcost.calibration import client, functions
from splitcost.calibration.payload import build, count_nodes

codec.allow_package("splitcost")


def run(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "SPLITCOST_TOKEN": "secret"}
    command = [sys.executable, "-m", "splitcost.calibration", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


class Pair:
    """A server and a client."""

    def __init__(self, stack: str, *more: str) -> None:
        self.server = run("server", "--stack", stack, *more)
        assert self.server.stdout is not None
        self.port = json.loads(self.server.stdout.readline())["port"]
        self.client = run("client", "--stack", stack, "--server", str(self.port), *more)

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(json.dumps(question) + "\n")
        self.client.stdin.flush()
        answer: dict[str, Any] = json.loads(self.client.stdout.readline())
        return answer

    def stop(self) -> None:
        for process in (self.client, self.server):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


@pytest.fixture(scope="module", params=["httpx", "grpc", "httpx --flask"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    both = Pair(*request.param.split())
    try:
        yield both
    finally:
        both.stop()


@pytest.mark.parametrize("client", ["async", "sync"])
@pytest.mark.parametrize("handler", ["async", "sync"])
@pytest.mark.parametrize(("pauses", "callers"), [([0], 1), ([0], 4), ([100, 2000], 1)])
@pytest.mark.parametrize("kind", ["plain", "adapter"])
def test_every_cell_is_measured(
    pair: Pair, client: str, handler: str, pauses: list[int], callers: int, kind: str
) -> None:
    answer = pair.ask(
        client=client,
        handler=handler,
        pauses_micros=pauses,
        repeats=10 // len(pauses),
        callers=callers,
        payload={"nodes": 100, "bytes": 2000, "kind": kind},
    )
    assert len(answer["wall_nanos"]) == 10
    assert min(answer["wall_nanos"]) > 0
    for side in ("client_cpu_nanos", "server_cpu_nanos"):
        assert len(answer[side]) == 10
        assert min(answer[side]) >= 0
        assert sum(answer[side]) > 0
    assert answer["elapsed_nanos"] >= max(answer["wall_nanos"])
    assert answer["nodes"] == 100 + 4
    assert 2000 <= answer["bytes"] <= 2200 if kind == "plain" else answer["bytes"] > 2000


def test_arguments_and_result_may_differ(pair: Pair) -> None:
    payload = {"arguments": {"nodes": 1, "bytes": 20}, "result": {"nodes": 50, "bytes": 5000}}
    answer = pair.ask(client="async", handler="async", pauses_micros=[0], repeats=1, payload=payload)
    assert answer["nodes"] == 1 + 50 + 4
    assert 5020 <= answer["bytes"] <= 5100


@pytest.mark.parametrize("client", ["async", "sync"])
@pytest.mark.parametrize("spot", ["around", "inside"])
@pytest.mark.parametrize("callers", [1, 4])
def test_work_is_measured_without_a_call(pair: Pair, client: str, spot: str, callers: int) -> None:
    question = {"client": client, "handler": "sync", "pauses_micros": [0], "repeats": 8, "callers": callers}
    question["payload"] = {"nodes": 4, "bytes": 50}
    assert pair.ask(**question)["work_nanos"] == 0
    answer = pair.ask(**question, work=[spot, 20])
    assert answer["work_nanos"] > 0
    assert len(answer["client_cpu_nanos"]) == len(answer["server_cpu_nanos"]) == 8


@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("pieces", [0, 1, 5])
def test_work_is_done_before_and_after_a_call(
    monkeypatch: pytest.MonkeyPatch, awaits: bool, pieces: int
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(client, "work", lambda pieces, first=0: done.extend(range(first, first + pieces)))

    async def awaited() -> None:
        done.append("call")

    call = client._amid(awaited if awaits else lambda: done.append("call"), pieces, awaits)
    if awaits:
        asyncio.run(call())
    else:
        call()
    before = pieces // 2
    assert done == [*range(before), "call", *range(before, pieces)]
    # What is left of each call's time has the mean of what is left.
    assert sum(client._without([5, 30, 10], 10)) == 15


@pytest.mark.parametrize("client", ["async", "sync"])
@pytest.mark.parametrize("handler", ["async", "sync"])
def test_arguments_may_be_changed(pair: Pair, client: str, handler: str) -> None:
    payload = {"nodes": 100, "bytes": 5000, "kind": "adapter"}
    answer = pair.ask(
        client=client, handler=handler, pauses_micros=[0], repeats=4, payload=payload, changes=True
    )
    assert len(answer["wall_nanos"]) == 4
    assert answer["nodes"] == 100 + 1


def test_a_changing_function_changes_each_row() -> None:
    rows = copy.deepcopy(build("adapter", 100, 5000))
    functions.change(rows)
    assert [row.id for row in rows[:16]] == list(range(1, 17))
    assert rows[1:] != build("adapter", 100, 5000)[1:]


@pytest.mark.parametrize("stack", ["httpx", "grpc"])
def test_both_end_with_stdin(stack: str) -> None:
    both = Pair(stack)
    try:
        for process in (both.client, both.server):
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0
    finally:
        both.stop()


def test_a_token_is_required() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "SPLITCOST_TOKEN"}
    environment["PYTHONPATH"] = str(PACKAGE_PARENT)
    command = [sys.executable, "-m", "splitcost.calibration", "server", "--stack", "httpx"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert found.returncode == 2
    assert "SPLITCOST_TOKEN" in found.stderr


@pytest.mark.parametrize("kind", ["plain", "adapter"])
@pytest.mark.parametrize(
    ("nodes", "size"), [(1, 10), (2, 40), (4, 100), (6, 60), (7, 500), (100, 5000), (1000, 40_000)]
)
def test_payloads_are_as_large_as_asked(kind: str, nodes: int, size: int) -> None:
    payload = build(kind, nodes, size)
    assert count_nodes(payload) == nodes
    encoded = codec.encode(payload)
    least = len(codec.encode(build(kind, nodes, 0)))
    assert len(encoded) == max(size, least)
    assert codec.decode(encoded) == payload

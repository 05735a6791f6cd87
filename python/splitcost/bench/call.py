"""One function in process and behind stacks: the Python half of ``splitcost bench call``.

- ``{"function": "shop.users:add_user", "args": […], "kwargs": {…}, "stacks": ["grpcio", …], "cwd": …,
  "usual_servers": {"http/1.1": …}}``: imports and calls the function, starts a server per stack, and answers
  which stacks can carry the call. Without ``stacks``, :data:`DEFAULTS` are used.
- ``{"round": [-1, 0, 1, …]}``: measures the function in process (-1) and behind each stack, in that order.

Servers are ``python -m splitcost.stacks serve``, calls are those of :mod:`splitcost.stacks.drive`; both sides
see the import path that this process has.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import platform
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from splitcost.bench.trial import shown, trial
from splitcost.stacks import AwaitingClientPart, BlockingClientPart, Stack, find_client, find_codec
from splitcost.stacks.drive import DEADLINE_SECS, Visit
from splitcost.stacks.harness import cpu_clock, run_on_usual_loop

VISIT_SECS = 0.15
"""The time that calls over one stack take in one round. Chosen: a hundred calls and more."""
LOOP_NANOS = 5_000_000
"""The time that calls in process take. Chosen: a million times the clock's step."""
FIRST_CALLS = 3
"""The new clients per round whose first call is timed."""
START_SECS = 30
"""Chosen: a server imports the user's app, which may take seconds."""
DEFAULTS = ("httpx2+orjson+uvicorn", "aiohttp+orjson+uvicorn", "grpcio")
IN_PROCESS = -1
"""The number of the function in process among those of a round."""


class Spent(NamedTuple):
    """Wall and CPU time of some calls in process."""

    wall_nanos: int
    cpu_nanos: int


class ServedStack:
    """A stack whose server runs and answers the function."""

    def __init__(self, stack: Stack, name: str, function: str, token: str) -> None:
        """Start the server; raises ``ValueError`` with its exit status if it does not serve."""
        self.stack, self._token = stack, token
        command = [sys.executable, "-m", "splitcost.stacks", "serve", "--server", stack.server]
        command += ["--transport", stack.transport, "--codec", stack.codec, "--function", function]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SPLITCOST_TOKEN": token},
        )
        self._process = process  # Its stdin stays open as long as this, and ends it.
        assert process.stdout is not None
        timer = threading.Timer(START_SECS, process.kill)
        timer.start()
        announced: dict[str, Any] = {}
        for line in process.stdout:
            # A function's module may print, too.
            try:
                announced = json.loads(line)
            except ValueError:
                continue
            if isinstance(announced, dict) and "url" in announced:
                break
        timer.cancel()
        if "url" not in announced:
            raise ValueError(f"{name}: the server ended with status {process.wait()}")
        self._url, self._pid = str(announced["url"]), int(announced["pid"])
        threading.Thread(target=process.stdout.read, daemon=True).start()

    def visit(self, client: str, value: Any) -> dict[str, Any]:
        """Make calls for a while with that client."""
        question = {"client": client, "transport": self.stack.transport, "url": self._url, "pid": self._pid}
        question |= {"codec": self.stack.codec, "payload": {"value": value}, "secs": VISIT_SECS}
        return Visit(question, self._token).run()

    def first_call_nanos(self, body: bytes) -> int:
        """Return the time of the first call of a new client, the making of that client included."""
        part = find_client(self.stack.client)
        if isinstance(part, BlockingClientPart):
            began = time.perf_counter_ns()
            client = part.make(self.stack.transport)
            client.call(self._url, self._token, body, DEADLINE_SECS)
            taken = time.perf_counter_ns() - began
            client.close()
            return taken
        assert isinstance(part, AwaitingClientPart)
        make = part.make

        async def first() -> int:
            began = time.perf_counter_ns()
            client = make(self.stack.transport)
            await client.call(self._url, self._token, body, DEADLINE_SECS)
            taken = time.perf_counter_ns() - began
            await client.close()
            return taken

        return int(run_on_usual_loop(first()))


def _chosen(text: str, usual_servers: dict[str, str]) -> Stack:
    """Return the stack of that text; refuses codecs whose one schema cannot fit two shapes."""
    stack = Stack.parse(text, usual_servers)
    if find_codec(stack.codec).has_schema:
        reason = f"{stack.codec} has one schema for all that it carries; a call has two shapes"
        raise ValueError(f"{text}: {reason}: name json, orjson, msgspec_json …")
    return stack


class FunctionBench:
    """The function, its arguments, and the stacks."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(16)
        self._stacks: list[ServedStack] = []
        self._once: Callable[[int], Spent] = lambda _loops: Spent(0, 0)
        self._loops = 1
        self._value: dict[str, Any] = {}
        self._result: Any = None

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one question."""
        try:
            if "round" in question:
                return {"timings": [self._measure(i) for i in question["round"]]}
            return self._open(question)
        except Exception as error:
            known = isinstance(error, ValueError | ImportError)
            return {"error": str(error) if known else f"{type(error).__name__}: {error}"}

    def _open(self, question: dict[str, Any]) -> dict[str, Any]:
        name = str(question["function"])
        os.chdir(question["cwd"])
        function = _find(name)
        args, kwargs = question["args"], question["kwargs"]
        self._value = {"args": args, "kwargs": kwargs}
        is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        try:
            self._result = _call(function, args, kwargs, is_async)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise ValueError(f"{name} fails with these arguments: {reason}") from error
        self._once = _awaiting(function, args, kwargs) if is_async else _plain(function, args, kwargs)
        while (taken := self._once(self._loops).wall_nanos) < LOOP_NANOS // 4:
            self._loops *= 2
        self._loops = max(self._loops * LOOP_NANOS // taken, 1)
        # All are checked before the first server starts.
        asked = [(text, _chosen(text, question["usual_servers"])) for text in question["stacks"] or DEFAULTS]
        found = []
        for text, stack in asked:
            one: dict[str, Any] = {"name": text, "client": stack.client, "codec": stack.codec}
            one |= {"server": stack.server, "transport": stack.transport}
            checked = {"args": trial(stack.codec, self._value), "result": trial(stack.codec, self._result)}
            places = [_place(what, place) for what, tried in checked.items() for place in tried["places"]]
            one["refused"] = [place for place in places if "error" in place]
            one["changed"] = [place for place in places if "error" not in place]
            if not one["refused"]:
                one["index"] = len(self._stacks)
                self._stacks.append(ServedStack(stack, text, name, self._token))
            found.append(one)
        return {
            "python_version": platform.python_version(),
            "is_async": is_async,
            "result": shown(self._result),
            "stacks": found,
        }

    def _measure(self, index: int) -> dict[str, float]:
        if index == IN_PROCESS:
            spent = self._once(self._loops)
            return {
                "wall_nanos": spent.wall_nanos / self._loops,
                "cpu_nanos": spent.cpu_nanos / self._loops,
            }
        served = self._stacks[index]
        stack = served.stack
        codec = find_codec(stack.codec).make(self._value)
        sent, received = codec.encode(self._value), codec.encode(self._result)
        # A client that connects for each call is compared with the same client that keeps its connection.
        keeping = find_client(stack.client).keeping
        visit = served.visit(keeping or stack.client, self._value)
        calls = len(visit["wall_nanos"])
        wall = sum(visit["wall_nanos"]) / calls
        found = {
            "kept_nanos": wall,
            "wall_nanos": wall,
            "client_cpu_nanos": visit["client_cpu_nanos"] / calls,
            "server_cpu_nanos": visit["server_cpu_nanos"] / calls,
            "encode_args_nanos": _nanos(codec.encode, self._value),
            "decode_args_nanos": _nanos(codec.decode, sent),
            "encode_result_nanos": _nanos(codec.encode, self._result),
            "decode_result_nanos": _nanos(codec.decode, received),
            "sent_bytes": len(sent),
            "received_bytes": len(received),
            **wire(len(sent), len(received)),
        }
        if keeping:
            walls = served.visit(stack.client, self._value)["wall_nanos"]
            found["wall_nanos"] = sum(walls) / len(walls)
        firsts = sorted(served.first_call_nanos(sent) for _ in range(FIRST_CALLS))
        return {**found, "first_call_nanos": firsts[FIRST_CALLS // 2]}


def _find(name: str) -> Callable[..., Any]:
    module, _, path = name.partition(":")
    if not module or not path:
        raise ValueError(f"{name!r} is no function: write MODULE:FUNCTION, as shop.users:add_user")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"cannot import {module}: {error}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name} is not a function but {shown(found)}")
    function: Callable[..., Any] = found
    return function


def _call(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], is_async: bool) -> Any:
    return run_on_usual_loop(function(*args, **kwargs)) if is_async else function(*args, **kwargs)


def _plain(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Callable[[int], Spent]:
    def once(loops: int) -> Spent:
        cpu, began = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(loops):
            function(*args, **kwargs)
        return Spent(time.perf_counter_ns() - began, time.process_time_ns() - cpu)

    return once


def _awaiting(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> Callable[[int], Spent]:
    # One loop for all rounds: what an app opens in a loop stays open.
    runner = asyncio.Runner()

    async def many(loops: int) -> Spent:
        cpu, began = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(loops):
            await function(*args, **kwargs)
        return Spent(time.perf_counter_ns() - began, time.process_time_ns() - cpu)

    return lambda loops: runner.run(many(loops))


def _place(what: str, place: dict[str, str]) -> dict[str, str]:
    path = place["path"]
    return {**place, "path": what + path if what == "result" else path.lstrip(".") or what}


def _nanos(function: Callable[[Any], Any], argument: Any) -> float:
    loops, taken = 1, 0
    while taken < LOOP_NANOS // 5:
        loops *= 2
        began = time.perf_counter_ns()
        for _ in range(loops):
            function(argument)
        taken = time.perf_counter_ns() - began
    return taken / loops


def wire(sent: int, received: int) -> dict[str, float]:
    """A round trip of so many bytes over loopback between bare sockets of two processes, and its CPU."""
    here, there = _tcp_pair()
    child = os.fork()
    if child == 0:
        try:
            here.close()
            answer = b"x" * max(received, 1)
            while _receive(there, max(sent, 1)):
                there.sendall(answer)
        finally:
            os._exit(0)
    there.close()
    question, walls, calls = b"x" * max(sent, 1), 0, 200
    clock = cpu_clock(child)
    marks: list[tuple[int, int, int]] = []
    for i in range(calls + 20):
        if i in (20, calls):
            marks.append((time.perf_counter_ns(), time.process_time_ns(), time.clock_gettime_ns(clock)))
        here.sendall(question)
        _receive(here, max(received, 1))
    walls, client, server = (b - a for a, b in zip(*marks, strict=True))
    here.close()
    os.waitpid(child, 0)
    count = calls - 20
    names = ("wire_nanos", "wire_client_cpu_nanos", "wire_server_cpu_nanos")
    return dict(zip(names, (walls / count, client / count, server / count), strict=True))


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname(), timeout=DEADLINE_SECS)
        there, _ = listener.accept()
    for each in (here, there):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return here, there


def _receive(sock: socket.socket, size: int) -> bool:
    while size > 0:
        data = sock.recv(min(size, 262_144))
        if not data:
            return False
        size -= len(data)
    return True

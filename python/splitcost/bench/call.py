"""One function in process, and behind stacks: ``splitcost bench call``.

- ``{"function": "shop.users:add_user", "args": […], "kwargs": {…}, "stacks": ["grpcio", …], "cwd": …}``:
  imports and calls the function, starts a server per stack, and tells which stacks can carry the call.
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
from typing import Any

from splitcost import stacks
from splitcost.bench.trial import shown, trial
from splitcost.stacks import drive

CELL_SECS = 0.15
"""Time that calls over one stack take in one round. Chosen: a hundred calls and more."""
LOOP_NANOS = 5_000_000
"""Time that calls in process take. Chosen: a million times the clock's step."""
FIRST_CALLS = 3
"""New clients per round, whose first call is timed."""
START_SECS = 30
"""Chosen: a server imports the user's app, which may take seconds."""
SCHEMAS = ("pydantic", "protobuf")
DEFAULTS = ("httpx2+orjson+uvicorn", "aiohttp+orjson+uvicorn", "grpcio")

_SHORT = {
    "uvicorn": "uvicorn_httptools_uvloop",
    "gunicorn": "gunicorn_flask",
    "httpx": "httpx_sync",
    "httpx2": "httpx2_sync",
    "requests": "requests_session",
    "grpc": "grpcio",
}


class Stack:
    """A client, a codec and a server that runs."""

    def __init__(self, text: str) -> None:
        parts = [_SHORT.get(part.strip(), part.strip()) for part in text.split("+")]
        if len(parts) not in (1, 3):
            raise ValueError(f"{text!r} is no stack: write CLIENT+CODEC+SERVER, as {DEFAULTS[0]}")
        self.name = text
        client = stacks.find("clients", parts[0])
        serves = "grpcio" if "grpc" in client.TRANSPORTS else "uvicorn_httptools_uvloop"
        self.client, self.codec, self.server = parts if len(parts) == 3 else [parts[0], "orjson", serves]
        stacks.find("codecs", self.codec)
        server = stacks.find("servers", self.server)
        both = [each for each in client.TRANSPORTS if each in server.TRANSPORTS]
        if not both:
            one, other = " and ".join(client.TRANSPORTS), " and ".join(server.TRANSPORTS)
            raise ValueError(f"{text}: the client speaks {one}, the server {other}")
        if self.codec in SCHEMAS:
            reason = f"{self.codec} has one schema for all that it carries; a call has two shapes"
            raise ValueError(f"{text}: {reason}: name json, orjson, msgspec_json …")
        self.transport = both[0]
        # What connects for each call is compared with the same client that keeps its connection.
        self.kept = self.client.removesuffix("_per_call") if getattr(client, "PER_CALL", False) else None
        if self.kept == "requests_bare":
            self.kept = "requests_session"
        self.process: subprocess.Popen[str] | None = None
        self.url, self.pid = "", 0

    def start(self, function: str, token: str) -> None:
        """Starts the server; raises ``ValueError`` with what it said if it does not serve."""
        command = [sys.executable, "-m", "splitcost.stacks", "serve", "--server", self.server]
        command += ["--transport", self.transport, "--codec", self.codec, "--function", function]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SPLITCOST_TOKEN": token},
        )
        assert self.process.stdout is not None
        timer = threading.Timer(START_SECS, self.process.kill)
        timer.start()
        told = {}
        for line in self.process.stdout:
            # A function's module may print, too.
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict) and "url" in told:
                break
        timer.cancel()
        if "url" not in told:
            raise ValueError(f"{self.name}: the server ended with status {self.process.wait()}")
        self.url, self.pid = told["url"], told["pid"]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def cell(self, client: str, value: Any, token: str) -> dict[str, Any]:
        """Calls for a while."""
        question = {"client": client, "transport": self.transport, "url": self.url, "pid": self.pid}
        question |= {"codec": self.codec, "payload": {"value": value}, "secs": CELL_SECS}
        return drive.Cell(question, token).run()

    def first_call_nanos(self, body: bytes, token: str) -> int:
        """The first call of a new client, that client's making included."""
        module = stacks.find("clients", self.client)
        if not module.AWAITS:
            began = time.perf_counter_ns()
            client = module.make(self.transport)
            client.call(self.url, token, body, drive.DEADLINE_SECS)
            taken = time.perf_counter_ns() - began
            client.close()
            return taken

        async def first() -> int:
            began = time.perf_counter_ns()
            client = module.make(self.transport)
            await client.call(self.url, token, body, drive.DEADLINE_SECS)
            taken = time.perf_counter_ns() - began
            await client.close()
            return taken

        return int(drive.asyncio_run(first()))


class Call:
    """The function, its arguments, and the stacks."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(16)
        self._stacks: list[Stack] = []
        self._once: Callable[[int], tuple[int, int]] = lambda _loops: (0, 0)
        self._loops = 1
        self._value: dict[str, Any] = {}
        self._result: Any = None

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answers one question."""
        try:
            if "round" in question:
                return {"cells": [self._measure(i) for i in question["round"]]}
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
            told = f"{type(error).__name__}: {error}".rstrip(": ")
            raise ValueError(f"{name} fails with these arguments: {told}") from error
        self._once = _awaiting(function, args, kwargs) if is_async else _plain(function, args, kwargs)
        while (taken := self._once(self._loops)[0]) < LOOP_NANOS // 4:
            self._loops *= 2
        self._loops = max(self._loops * LOOP_NANOS // taken, 1)
        asked = [Stack(text) for text in question["stacks"] or DEFAULTS]
        found = []
        for stack in asked:
            one: dict[str, Any] = {"name": stack.name, "client": stack.client, "codec": stack.codec}
            one |= {"server": stack.server, "transport": stack.transport}
            checked = {"args": trial(stack.codec, self._value), "result": trial(stack.codec, self._result)}
            places = [_place(what, place) for what, tried in checked.items() for place in tried["places"]]
            one["refused"] = [place for place in places if "error" in place]
            one["changed"] = [place for place in places if "error" not in place]
            if not one["refused"]:
                stack.start(name, self._token)
                one["index"] = len(self._stacks)
                self._stacks.append(stack)
            found.append(one)
        return {
            "python_version": platform.python_version(),
            "is_async": is_async,
            "result": shown(self._result),
            "stacks": found,
        }

    def _measure(self, index: int) -> dict[str, float]:
        if index < 0:
            wall, cpu = self._once(self._loops)
            return {"wall_nanos": wall / self._loops, "cpu_nanos": cpu / self._loops}
        stack = self._stacks[index]
        codec = stacks.find("codecs", stack.codec).make(self._value)
        sent, received = codec.encode(self._value), codec.encode(self._result)
        cell = stack.cell(stack.kept or stack.client, self._value, self._token)
        calls = len(cell["wall_nanos"])
        wall = sum(cell["wall_nanos"]) / calls
        found = {
            "kept_nanos": wall,
            "wall_nanos": wall,
            "client_cpu_nanos": cell["client_cpu_nanos"] / calls,
            "server_cpu_nanos": cell["server_cpu_nanos"] / calls,
            "encode_args_nanos": _nanos(codec.encode, self._value),
            "decode_args_nanos": _nanos(codec.decode, sent),
            "encode_result_nanos": _nanos(codec.encode, self._result),
            "decode_result_nanos": _nanos(codec.decode, received),
            "sent_bytes": len(sent),
            "received_bytes": len(received),
            **wire(len(sent), len(received)),
        }
        if stack.kept:
            walls = stack.cell(stack.client, self._value, self._token)["wall_nanos"]
            found["wall_nanos"] = sum(walls) / len(walls)
        firsts = sorted(stack.first_call_nanos(sent, self._token) for _ in range(FIRST_CALLS))
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
    return drive.asyncio_run(function(*args, **kwargs)) if is_async else function(*args, **kwargs)


def _plain(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> Callable[[int], tuple[int, int]]:
    def once(loops: int) -> tuple[int, int]:
        cpu, began = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(loops):
            function(*args, **kwargs)
        return time.perf_counter_ns() - began, time.process_time_ns() - cpu

    return once


def _awaiting(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> Callable[[int], tuple[int, int]]:
    # One loop for all rounds: what an app opens in a loop stays open.
    runner = asyncio.Runner()

    async def many(loops: int) -> tuple[int, int]:
        cpu, began = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(loops):
            await function(*args, **kwargs)
        return time.perf_counter_ns() - began, time.process_time_ns() - cpu

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
    clock = drive.cpu_clock(child)
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
        here = socket.create_connection(listener.getsockname(), timeout=drive.DEADLINE_SECS)
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

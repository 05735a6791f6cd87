"""Every client with every server that speaks its transport; what errors are; what a missing package gives."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from splitcost import stacks
from splitcost.stacks import (
    HEADER,
    MAX_BODY_BYTES,
    Answer,
    AwaitingClientPart,
    BlockingClientPart,
    Status,
    Unreachable,
)

PACKAGE_PARENT = Path(stacks.__file__).parents[2]
TOKEN = secrets.token_hex(8)
DEADLINE_SECS = 30.0


CLIENTS = stacks.client_parts()
SERVERS = stacks.server_parts()
SERVED = [(name, transport) for name, part in SERVERS.items() for transport in part.transports]
PAIRS = [
    (server, transport, client)
    for server, transport in SERVED
    for client, part in CLIENTS.items()
    if transport in part.transports
]
MADE = [(client, transport) for client, part in CLIENTS.items() for transport in part.transports]


def start(*arguments: str, **more: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([more.pop("first_on_path", ""), str(PACKAGE_PARENT)]).lstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": path, "SPLITCOST_TOKEN": TOKEN}
    command = [sys.executable, "-m", "splitcost.stacks", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **more)  # type: ignore[call-overload, no-any-return]


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Close stdin and wait; gives the status and what it said on stderr."""
    try:
        _, errors = process.communicate(timeout=DEADLINE_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, errors


class Server:
    """A running server."""

    def __init__(self, name: str, transport: str, *arguments: str, **more: str) -> None:
        self.process = start("serve", "--server", name, "--transport", transport, *arguments, **more)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, end(self.process)
        self.url: str = json.loads(line)["url"]
        self.pid: int = json.loads(line)["pid"]


@pytest.fixture(scope="module")
def servers() -> Iterator[Any]:
    """Each server once, started when it is first wanted; all end well."""
    running: dict[tuple[str, str], Server] = {}

    def server(name: str, transport: str) -> Server:
        if (name, transport) not in running:
            running[name, transport] = Server(name, transport)
        return running[name, transport]

    yield server
    ends = {key: end(server.process) for key, server in running.items()}
    assert {key: status for key, (status, _) in ends.items()} == dict.fromkeys(ends, 0), ends


def calls(client: str, transport: str, url: str, messages: list[tuple[str, bytes]], secs: float) -> list[Any]:
    """Make calls one after the other; gives answers and exceptions."""
    part = CLIENTS[client]

    async def awaited(part: AwaitingClientPart) -> list[Any]:
        client = part.make(transport)
        found: list[Any] = []
        for line, body in messages:
            try:
                found.append(await client.call(url, line, body, secs))
            except Exception as error:
                found.append(error)
        await client.close()
        return found

    if isinstance(part, AwaitingClientPart):
        return asyncio.run(awaited(part))
    assert isinstance(part, BlockingClientPart)
    blocking = part.make(transport)
    found: list[Any] = []
    for line, body in messages:
        try:
            found.append(blocking.call(url, line, body, secs))
        except Exception as error:
            found.append(error)
    blocking.close()
    return found


@pytest.mark.parametrize(("server", "transport", "client"), PAIRS)
def test_every_pair_exchanges_messages(servers: Any, server: str, transport: str, client: str) -> None:
    bodies = [b'{"a":1}', json.dumps(["x" * 300_000], separators=(",", ":")).encode()]
    messages = [(TOKEN, body) for body in bodies] + [("wrong", bodies[0]), (TOKEN, b"{")]
    url = servers(server, transport).url
    first, second, refused, malformed = calls(client, transport, url, messages, DEADLINE_SECS)
    assert first == Answer(Status.OK, bodies[0])
    assert second == Answer(Status.OK, bodies[1])
    assert refused.status == Status.UNAUTHENTICATED
    assert malformed.status == Status.INVALID


@pytest.mark.parametrize(("server", "transport"), SERVED)
def test_what_is_too_large_is_refused(servers: Any, server: str, transport: str) -> None:
    client = {"http/1.1": "http_client", "h2c": "httpx2_sync", "grpc": "grpcio"}[transport]
    body = bytes(MAX_BODY_BYTES + 1)
    (answer,) = calls(client, transport, servers(server, transport).url, [(TOKEN, body)], DEADLINE_SECS)
    assert answer.status == Status.TOO_LARGE


@pytest.mark.parametrize(("client", "transport"), MADE)
def test_nobody_there(client: str, transport: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        (error,) = calls(client, transport, url, [(TOKEN, b"1")], DEADLINE_SECS)
    assert isinstance(error, Unreachable), error
    assert str(error)


@pytest.mark.parametrize(("client", "transport"), MADE)
def test_no_answer_in_time(client: str, transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        (error,) = calls(client, transport, url, [(TOKEN, b"1")], 0.2)
    assert isinstance(error, TimeoutError), error


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", ["add", "add_async"])
def test_functions_answer(tmp_path: Path, server: str, name: str) -> None:
    (tmp_path / "sums.py").write_text(
        "def add(a, b):\n    return a + b\n\n\nasync def add_async(a, b):\n    return a + b\n"
    )
    transport = SERVERS[server].transports[0]
    running = Server(server, transport, "--function", f"sums:{name}", "--codec", "json", cwd=str(tmp_path))
    client = "grpcio" if transport == "grpc" else "http_client"
    body = b'{"args": [1], "kwargs": {"b": 2}}'
    (answer,) = calls(client, transport, running.url, [(TOKEN, body)], DEADLINE_SECS)
    status, errors = end(running.process)
    assert (answer, status) == (Answer(Status.OK, b"3"), 0), errors


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_measured(servers: Any, client: str) -> None:
    transport = CLIENTS[client].transports[0]
    server = servers("grpc_aio" if transport == "grpc" else "uvicorn_httptools_uvloop", transport)
    question = {"client": client, "transport": transport, "url": server.url, "pid": server.pid}
    question |= {"payload": {"bytes": 1000}, "concurrency": 2, "calls": 6, "repeats": 2}
    process = start("drive")
    out, errors = process.communicate(json.dumps(question) + "\n{}\n", timeout=DEADLINE_SECS)
    found, failed = map(json.loads, out.splitlines())
    assert len(found["wall_nanos"]) == 6, errors
    assert min(found["wall_nanos"]) > 0
    assert found["client_cpu_nanos"] > 0
    assert found["server_cpu_nanos"] > 0
    assert found["elapsed_nanos"] >= max(found["wall_nanos"])
    assert (found["sent_bytes"], found["received_bytes"]) == (1000, 1000)
    assert failed == {"error": "KeyError: 'client'"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--server", "carrier_pigeon"], "unknown server 'carrier_pigeon': one of "),
        (["--server", "grpcio", "--transport", "h2c"], "the server grpcio speaks grpc, not h2c"),
        (["--server", "grpcio", "--function", "os:environ"], "os:environ is not a function"),
        (["--server", "grpcio", "--function", "no_such_module:f"], "No module named 'no_such_module'"),
    ],
)
def test_what_cannot_be_served_is_told(arguments: list[str], said: str) -> None:
    status, errors = end(start("serve", *arguments))
    assert status == 2
    assert said in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("kind", ["clients", "servers"])
def test_a_missing_package_is_told_with_its_pip_command(tmp_path: Path, kind: str) -> None:
    hidden = {"clients": "aiohttp", "servers": "granian"}[kind]
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name == {hidden!r} else find(name, *rest)\n"
    )
    process = start("--json", first_on_path=str(tmp_path))
    out, _ = process.communicate(timeout=DEADLINE_SECS)
    entries = {entry["name"]: entry["missing"] for entry in json.loads(out)[kind]}
    assert entries[hidden] == [hidden]
    if kind == "servers":
        status, errors = end(start("serve", "--server", hidden, first_on_path=str(tmp_path)))
        assert (status, f"pip install {hidden}" in errors) == (2, True)
    else:
        process = start("drive", first_on_path=str(tmp_path))
        question = json.dumps({"client": hidden, "transport": "http/1.1"}) + "\n"
        out, _ = process.communicate(question, timeout=DEADLINE_SECS)
        assert f"pip install {hidden}" in json.loads(out)["error"]


def test_connections_are_not_delayed(servers: Any) -> None:
    """asyncio turns Nagle's algorithm off only on sockets that say they are TCP."""
    from splitcost.stacks.service import tcp_socket

    with tcp_socket() as made:
        assert made.proto == socket.IPPROTO_TCP


def test_the_header_is_lower_case() -> None:
    """As HTTP/2 and gRPC demand."""
    assert HEADER == HEADER.lower()

"""Whatever has the port of a service, and whatever is sent: the caller gets a named exception, and nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from rehearsal_support import DEADLINE_SECS, Split, by_uvicorn, wait_for
from splitcost import stacks
from splitcost.rehearsal.context import SPEAKER
from splitcost.stacks import MAX_BODY_BYTES, Answer, Status
from splitcost.stacks.service import shared_listener

STACKS = ["httpx", "grpc"]
#: How functions of `pricing` are called: blocking in a thread, blocking on the loop, awaited.
WAYS = [("echo", "thread"), ("echo", "loop"), ("echo_async", "loop")]
BY_WSGI = ["-m", "gunicorn", "-k", "gthread", "--threads", "8", "-b", "127.0.0.1:{port}", "bazaar.wsgi:app"]
SERVERS = {"asgi": by_uvicorn("bazaar.main:app"), "wsgi": BY_WSGI}

BY_ANOTHER_VERSION = """
import uvicorn
from splitcost.rehearsal import context
context.SPEAKER = "splitcost/0.0.1"
uvicorn.run("bazaar.main:app", port={port}, log_level="warning")
"""


@contextmanager
def raw_peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A program that answers the first bytes of each connection; gives its port."""
    with socket.socket() as listener, ExitStack() as taken:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)

        def take() -> None:
            while True:
                try:
                    connection = taken.enter_context(listener.accept()[0])
                except OSError:
                    return
                with contextlib.suppress(OSError):
                    connection.recv(65536)
                    talk(connection)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def answering_peer(stack: str, answer: Callable[[], Answer]) -> Iterator[int]:
    """A server of this stack that gives answers of its own; gives its port."""
    loop = asyncio.new_event_loop()

    async def answerer(line: str, body: bytes | memoryview) -> Answer:
        return answer()

    async def serve(listener: socket.socket) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await stacks.load(stack).serve((listener,), answerer)

    with shared_listener(0) as listener:
        serving = loop.create_task(serve(listener))
        thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            loop.call_soon_threadsafe(serving.cancel)
            thread.join()
            loop.close()


@contextmanager
def main_beside(port: int, stack: str, directory: Path, timeout_millis: int = 10_000) -> Iterator[Split]:
    """The service `main`, which finds something else where `pricing` should be."""
    links = {"main": {"pricing": f"127.0.0.1:{port}"}}
    split = Split(stack, directory, policy={"timeout_millis": timeout_millis}, links=links)
    try:
        split.start("main")
        yield split
    finally:
        split.stop()


def http(status: str, body: bytes, *headers: str) -> Callable[[socket.socket], None]:
    close = ["connection: close", f"content-length: {len(body)}"]
    head = "\r\n".join([f"HTTP/1.1 {status}", *close, *headers, "", ""])

    def talk(connection: socket.socket) -> None:
        connection.sendall(head.encode() + body)
        # Not for reading: the other side would lose the answer if there is more of the request.
        connection.shutdown(socket.SHUT_WR)

    return talk


def begin_an_answer(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nrp[")


def break_off(connection: socket.socket) -> None:
    begin_an_answer(connection)
    connection.shutdown(socket.SHUT_WR)


STRANGERS: dict[str, tuple[Callable[[socket.socket], None], str, str]] = {
    "closes at once": (lambda connection: connection.close(), "ServiceUnavailable", "is not available"),
    "breaks off": (break_off, "ServiceUnavailable", "without sending complete message body"),
    "compresses badly": (
        http("200 OK", b"nonsense", "content-encoding: gzip"),
        "ServiceUnavailable",
        "decompress",
    ),
    "a web site": (http("200 OK", b"<html>"), "UnreadableAnswer", "neither a result nor an exception"),
    "an empty page": (http("200 OK", b""), "UnreadableAnswer", "neither a result nor an exception"),
    "a site without it": (http("404 Not Found", b"<html>"), "ServiceRefused", "<html>"),
    "redirects": (http("302 Found", b"", "location: /"), "UnreadableAnswer", "status 302"),
    "a broken server": (http("500 No", b"oops"), "UnreadableAnswer", "status 500: oops"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_program_that_is_not_ours(tmp_path: Path, stranger: str) -> None:
    talk, type_name, text = STRANGERS[stranger]
    with raw_peer(talk) as port, main_beside(port, "httpx", tmp_path) as split:
        for function, how in WAYS:
            error = split.error(f"pricing:{function}", 1, how=how)
            assert error["type"] == type_name, error
            assert text in error["text"]


@pytest.mark.parametrize("stranger", ["closes at once", "a web site", "a broken server"])
def test_a_program_that_does_not_speak_grpc(tmp_path: Path, stranger: str) -> None:
    with raw_peer(STRANGERS[stranger][0]) as port, main_beside(port, "grpc", tmp_path) as split:
        for function, how in WAYS:
            assert split.error(f"pricing:{function}", 1, how=how)["type"] == "ServiceUnavailable"


@pytest.mark.parametrize("stack", STACKS)
def test_a_program_that_stops_in_the_middle_of_an_answer(tmp_path: Path, stack: str) -> None:
    with raw_peer(begin_an_answer) as port, main_beside(port, stack, tmp_path, timeout_millis=200) as split:
        for function, how in WAYS:
            error = split.error(f"pricing:{function}", 1, how=how)
            assert error["type"] in ("DeadlineExceeded", "ServiceUnavailable"), error


GARBAGE = [
    *(b"", b"z", b"r", b"rnonsense", b'rt{"$nope":1}', b'rt{"$d":["os:nothing",{}]}', b"\xff\xfe"),
    *(b"x", b"xnonsense", b"x[1]\n", b"x17\n", b'x["a","b","c","d"]\np3'),
    *(b"c", b'c["","nonsense","x"]', b"c[1,2,3]", b"c17"),
    *(b"m", b"m[0][0]", b"m\xff\nnonsense", b"m[0][0]\np3", b"m[0][0]\np[1]", b"m[0][0]\nnonsense"),
]


@pytest.mark.parametrize("stack", STACKS)
def test_an_answer_that_is_garbage(tmp_path: Path, stack: str) -> None:
    body = b""
    with (
        answering_peer(stack, lambda: Answer(Status.OK, body)) as port,
        main_beside(port, stack, tmp_path) as split,
    ):
        for body in GARBAGE:
            for function, how in WAYS:
                error = split.error(f"pricing:{function}", 1, how=how)
                assert error["type"] == "UnreadableAnswer", (body, error)
                assert "the answer of service pricing cannot be read: " in error["text"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_service_of_another_version(tmp_path: Path, stack: str) -> None:
    split = Split(stack, tmp_path, command=["-c", BY_ANOTHER_VERSION])
    try:
        split.start("pricing")
        split.command = SERVERS["asgi"]
        split.start("main")
        for function, how in WAYS:
            error = split.error(f"pricing:{function}", 1, how=how)
            assert error["type"] == "ServiceRefused"
            assert f"the caller is {SPEAKER}, and this is splitcost/0.0.1" in error["text"]
    finally:
        split.stop()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("stack", STACKS)
def test_a_service_that_is_killed_and_comes_back(tmp_path: Path, stack: str, server: str) -> None:
    split = Split(stack, tmp_path, command=SERVERS[server], policy={"timeout_millis": None})
    # The last one holds the event loop of `main`, if there is one.
    waiting = [("hang", "loop"), ("hang_plain", "thread"), ("hang_plain", "loop")]

    def under_way() -> int:
        answered = [call for report in split.reports("pricing") for call in report["answered"]]
        return sum(call["count"] for call in answered if "hang" in call["callee"])

    try:
        split.start("main", "pricing")
        with ThreadPoolExecutor(len(waiting)) as pool:
            calls = []
            for function, how in waiting:
                calls.append(pool.submit(split.error, f"pricing:{function}", how=how))
                wait_for(lambda: under_way() == len(calls), f"{function} in {split.log('pricing')}")
            kill_all_of(split, "pricing")
            for call in calls:
                error = call.result(DEADLINE_SECS)
                assert error["type"] == "ServiceUnavailable", error
                assert "service pricing is not available" in error["text"]
        for function, how in WAYS:
            assert split.error(f"pricing:{function}", 1, how=how)["type"] == "ServiceUnavailable"
        split.start("pricing")
        # A client that was refused tries again a little later.
        for function, how in WAYS:
            call = functools.partial(split.outcome, f"pricing:{function}", 1, how=how)
            wait_for(lambda call=call: "error" not in call(), f"an answer to {function}")
    finally:
        split.stop()


def kill_all_of(split: Split, service: str) -> None:
    """Kill a service's processes at once."""
    os.killpg(split.pid(service), signal.SIGKILL)
    split.processes[service].wait()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("stack", STACKS)
def test_large_messages(tmp_path: Path, stack: str, server: str) -> None:
    split = Split(stack, tmp_path, command=SERVERS[server], policy={"timeout_millis": None})
    try:
        split.start("main", "pricing")
        for size in (10 * 1024 * 1024, MAX_BODY_BYTES - 100):
            for function, how in WAYS:
                # Both directions, without the way of the test to `main`.
                assert split.run(f"large_{function}", size, how=how) == size
        limit = f"{MAX_BODY_BYTES:,} are allowed"
        for name, callee, what in [
            ("large_size", "size", "the arguments would be"),
            ("large_made", "made", "the answer would be"),
            ("large_made_async", "made_async", "the answer would be"),
            ("large_size_async", "size_async", "the arguments would be"),
        ]:
            error = split.error(name, MAX_BODY_BYTES + 1)
            assert error["type"] == "MessageTooLarge", error
            assert f"bazaar.pricing:{callee}: {what} 67,108,8" in error["text"]
            assert limit in error["text"]
        assert split.run("pricing:echo", 1) == 1
    finally:
        split.stop()

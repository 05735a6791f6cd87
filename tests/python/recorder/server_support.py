"""Runs servers under the recorder."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from recorder_support import DEADLINE_SECS, Log, Runs, end_group, environment

STORE = {"SPLITCOST_PACKAGES": "store"}


def wait_until(condition) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + DEADLINE_SECS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def free_port() -> int:
    """The number of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def is_open(port: int) -> bool:
    """True when somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server under the recorder."""

    def __init__(self, runs: Runs, process: subprocess.Popen[bytes], port: int, stderr: Path) -> None:
        self.runs = runs
        self.process = process
        self.port = port
        self.stderr = stderr

    def answers(self) -> bool:
        assert self.process.poll() is None, self.stderr.read_text()
        return is_open(self.port)

    def get(self, path: str, named: str = "") -> httpx.Response:
        headers = {"x-splitcost-request": named} if named else {}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=DEADLINE_SECS)

    def requests(self, number: int) -> list[tuple[Log, int]]:
        """The requests, as soon as there are as many as this."""

        def found() -> list[tuple[Log, int]]:
            logs = self.runs.logs()
            ended = [(log, i) for log in logs for i, r in log.requests.items() if r.get("endpoint")]
            # Calls at start-up are no requests that anything took.
            return [(log, i) for log, i in ended if log.tree(i)[0].startswith("(framework)")]

        wait_until(lambda: len(found()) >= number)
        return found()


@contextlib.contextmanager
def served(runs: Runs, *command: str, port: bool = True, **more: str) -> Iterator[Server]:
    """Run this command under the recorder; in it, `{port}` is a free port that it will listen on."""
    number = free_port()
    runs.directory.mkdir(parents=True)
    stderr = runs.directory.parent / "stderr"
    with stderr.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *(part.replace("{port}", str(number)) for part in command)],
            env=environment(runs.directory, **STORE, **more),
            cwd=runs.directory.parent,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    server = Server(runs, process, number, stderr)
    try:
        if port:
            wait_until(server.answers)
        yield server
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        end_group(process)

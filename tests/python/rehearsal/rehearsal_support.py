"""Helper of these tests: real services of the app under ``app/``, over either stack."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from splitcost import codec

APP = Path(__file__).parent / "app"
PACKAGE_PARENT = Path(codec.__file__).parents[2]
DEADLINE_SECS = 30
codec.allow_package("bazaar")


def reserved_port() -> socket.socket:
    """A socket on a port that the kernel gives to nobody else, and that a server can still listen on."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return holder


def port_of(holder: socket.socket) -> int:
    return int(holder.getsockname()[1])


POLICY: dict[str, Any] = {
    "timeout_millis": 10_000,
    "retries": 0,
    "backoff_millis": 100,
    "budget": None,
    "budget_tokens": 10,
    "connections": None,
}
MODULES: dict[str, list[str]] = {
    "main": [],
    "pricing": ["bazaar.pricing", "bazaar.held"],
    "inventory": ["bazaar.inventory"],
}


HELD = [
    *("first", "second", "registered", "injected", "quote", "render", "_", "items", "at_home"),
    *("Scale.weigh", "Scale.largest", "Scale.show", "Scale._"),
]
METHODS = [
    *("where", "where_async", "where_twice", "process", "added", "named", "__call__", "fill", "fail"),
]


def wait_for(condition: Any, what: str) -> Any:
    """Ask until the answer is true, or fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECS
    pause = threading.Event()
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        pause.wait(0.02)
    raise AssertionError(f"never came: {what}")


def by_uvicorn(app: str) -> list[str]:
    """The arguments of the interpreter by which uvicorn serves an app."""
    quiet = ["--log-level", "warning", "--timeout-graceful-shutdown", "1"]
    return ["-m", "uvicorn", app, "--port", "{port}", *quiet]


class Split:
    """The running services."""

    def __init__(
        self,
        stack: str,
        directory: Path,
        app: str = "bazaar.main:app",
        policy: dict[str, Any] | None = None,
        command: list[str] | None = None,
        modules: dict[str, list[str]] | None = None,
        ready: str = "/health",
        path: Path = APP,
        **extra: Any,
    ) -> None:
        self.directory = directory
        self.command = command or by_uvicorn(app)
        self.ready = ready
        self.path = path
        modules = modules or MODULES
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.reserved: list[socket.socket] = []
        self.http_ports: dict[str, int] = {}
        services = {name: self._describe(name, modules[name]) for name in modules}
        self.document: dict[str, Any] = {
            "token": secrets.token_hex(16),
            "stack": stack,
            "policy": POLICY | (policy or {}),
            "copied": ["bazaar.copies"],
            "local_functions": ["bazaar.inventory:always_here"],
            "functions": [f"bazaar.pricing:Register.{name}" for name in METHODS]
            + [f"bazaar.held:{name}" for name in HELD],
            "services": services,
            "main_service": "main",
            "packages": ["bazaar"],
            "endpoint_header": "x-splitcost-request",
            "reports": {name: str(directory / "reports" / name) for name in modules},
            **extra,
        }
        self.description = directory / "rehearsal.json"
        self.description.write_text(json.dumps(self.document))

    def _describe(self, name: str, modules: list[str]) -> dict[str, Any]:
        self.reserved += [reserved_port(), reserved_port()]
        self.http_ports[name], rpc_port = map(port_of, self.reserved[-2:])
        (self.directory / "reports" / name).mkdir(parents=True)
        return {"rpc_port": rpc_port, "modules": modules}

    def start(self, *services: str) -> None:
        for service in services:
            log = (self.directory / f"{service}.log").open("ab")
            bootstrap = PACKAGE_PARENT / "splitcost" / "_bootstrap"
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (bootstrap, PACKAGE_PARENT, self.path))),
                "SPLITCOST_MODE": "rehearse",
                "SPLITCOST_REHEARSAL": str(self.description),
                "SPLITCOST_SERVICE": service,
            }
            port = str(self.http_ports[service])
            command = [sys.executable, *(part.replace("{port}", port) for part in self.command)]
            self.processes[service] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        # Each in turn: what shows that one is ready may be answered with the help of another.
        wait_for(
            lambda: all([self._answers(service) for service in services]),
            f"answers of {services} in {self.directory}",
        )

    def _answers(self, service: str) -> bool:
        assert self.processes[service].poll() is None, self.log(service)
        try:
            probe = urllib.request.Request(self.url(self.ready, service), headers={"x-splitcost-request": ""})
            with urllib.request.urlopen(probe, timeout=DEADLINE_SECS):
                pass
        except (urllib.error.URLError, ConnectionError):
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.document["services"][service]["rpc_port"])) == 0

    def log(self, service: str) -> str:
        return (self.directory / f"{service}.log").read_text()

    def url(self, path: str, service: str = "main") -> str:
        return f"http://127.0.0.1:{self.http_ports[service]}{path}"

    def get(self, path: str, service: str = "main") -> Any:
        with urllib.request.urlopen(self.url(path, service), timeout=DEADLINE_SECS) as answer:
            return json.load(answer)

    def outcome(self, name: str, *args: Any, how: str = "loop", service: str = "main") -> dict[str, Any]:
        """Call a function inside a request of a service; its result, or what is known of its exception."""
        url = self.url(f"/run?name={name}&how={how}", service)
        with urllib.request.urlopen(url, data=codec.encode(list(args)), timeout=DEADLINE_SECS) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def run(self, name: str, *args: Any, how: str = "loop", service: str = "main") -> Any:
        found = self.outcome(name, *args, how=how, service=service)
        assert "error" not in found, found["error"]["trace"]
        return codec.decode(base64.b64decode(found["result"]))

    def error(self, name: str, *args: Any, how: str = "loop", service: str = "main") -> dict[str, Any]:
        found = self.outcome(name, *args, how=how, service=service)
        assert "error" in found, found
        error: dict[str, Any] = found["error"]
        return error

    def pid(self, service: str) -> int:
        return self.processes[service].pid

    def report(self, service: str = "main") -> dict[str, Any]:
        """The report that a running service of one process writes when it is asked."""
        return self.report_of(self.directory / "reports" / service / f"{self.pid(service)}.json")

    def reports(self, service: str) -> list[dict[str, Any]]:
        """The reports of all processes of a service."""
        asked = (self.directory / "reports" / service).glob("*.request")
        return [self.report_of(request.with_suffix(".json")) for request in asked]

    def report_of(self, file: Path) -> dict[str, Any]:
        """The report that a process writes when it is asked."""
        file.unlink(missing_ok=True)
        # Fails if nobody reads, where a write by name would wait.
        request = os.open(file.with_suffix(".request"), os.O_WRONLY | os.O_NONBLOCK)
        os.write(request, b"\n")
        os.close(request)
        wait_for(file.exists, f"the report {file}")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                pass
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for holder in self.reserved:
            holder.close()

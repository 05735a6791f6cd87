"""Runs programs under the recorder, in processes of their own, and reads their logs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import splitcost
from splitcost import _native

PACKAGE = Path(splitcost.__file__).parent
APPS = Path(__file__).parent / "apps"
DEADLINE_SECS = 60
#: The count of a limit that stands for none.
UNLIMITED = 2**32 - 1


@dataclass
class LoggedCall:
    """One call, put together from its records."""

    id: int
    name: str
    module: str
    parent: int
    request: int
    via: str
    thread: int
    events: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    cpus: list[tuple[int, int]] = field(default_factory=list)
    exception: str | None = None
    makes: str | None = None
    payloads: dict[bool, dict[str, Any]] = field(default_factory=dict)


class Log:
    """A log file, read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = _native.read_log(path)
        self.calls: dict[int, LoggedCall] = {}
        self.requests: dict[int, dict[str, Any]] = {}
        self.counts: dict[str, int] = {}
        self.shapes: dict[int, str] = {}
        self.troubles: list[str] = []
        self.servers: list[str] = []
        self.limits: dict[str, int | None] = {}
        self.damage: dict[str, Any] | None = None
        modules: dict[int, str] = {}
        functions: dict[int, tuple[str, str]] = {}
        for r in self.records:
            match r["record"]:
                case "process":
                    self.process = r
                case "module":
                    modules[r["id"]] = r["name"]
                case "function":
                    module = modules[r["module"]]
                    functions[r["id"]] = (module, f"{module}:{r['qualname']}")
                case "request_start":
                    self.requests[r["request"]] = dict(r)
                case "request_end":
                    handler = r["handler"]
                    self.requests[r["request"]] |= r | {
                        "handler": None if handler is None else functions[handler][1]
                    }
                case "server":
                    self.servers.append(r["name"])
                case "limit":
                    self.limits[r["limit"]] = None if r["count"] == UNLIMITED else r["count"]
                case "enter":
                    module, name = functions[r["function"]]
                    call = LoggedCall(
                        r["call"], name, module, r["parent"], r["request"], r["via"], r["thread"]
                    )
                    assert call.id not in self.calls
                    self.calls[call.id] = call
                    self._note(r)
                case "suspend" | "resume" | "leave":
                    self._note(r)
                case "makes":
                    self.calls[r["call"]].makes = r["makes"]
                case "shape":
                    self.shapes[r["id"]] = r["skeleton"]
                case "payload":
                    self.calls[r["call"]].payloads[r["result"]] = r | {"skeleton": self.shapes[r["shape"]]}
                case "count":
                    self.counts[functions[r["function"]][1]] = r["calls"]
                case "trouble":
                    self.troubles.append(r["message"])
                case "damage":
                    self.damage = r

    def _note(self, r: dict[str, Any]) -> None:
        call = self.calls[r["call"]]
        call.events.append(r["record"])
        call.times.append(r["wall"])
        if r["record"] in ("enter", "resume"):
            call.cpus.append((r["cpu"], r["cpu"]))
        else:
            call.cpus[-1] = (call.cpus[-1][0], r["cpu"])
        if r["record"] == "leave":
            call.exception = r["exception"]

    def named(self, name: str) -> list[LoggedCall]:
        """The calls of a function, in order."""
        return [c for c in self.calls.values() if c.name == name]

    def one(self, name: str) -> LoggedCall:
        """The only call of a function."""
        (call,) = self.named(name)
        return call

    def parent_name(self, call: LoggedCall) -> str | None:
        """The callers, by name."""
        return self.calls[call.parent].name if call.parent else None

    def tree(self, request: int) -> list[str]:
        """A request's calls as indented lines, siblings in order of their start."""
        below = defaultdict(list)
        for call in self.calls.values():
            if call.request == request:
                below[call.parent].append(call)
        lines = []

        def walk(parent: int, depth: int) -> None:
            for call in below[parent]:
                via = "" if call.via == "inline" else f" ({call.via})"
                lines.append("  " * depth + call.name + via)
                walk(call.id, depth + 1)

        walk(0, 0)
        return lines

    def request_named(self, endpoint: str) -> int:
        """The only request of an endpoint."""
        (request,) = [i for i, r in self.requests.items() if r.get("endpoint") == endpoint]
        return request

    def check(self) -> None:
        """Check what is true of every log of a process that ended by itself."""
        assert self.damage is None
        assert self.troubles == []
        for call in self.calls.values():
            middle = call.events[1:-1]
            assert call.events[0] == "enter" and call.events[-1] == "leave", (call.name, call.events)
            assert middle == ["suspend", "resume"] * (len(middle) // 2), (call.name, call.events)
            assert call.times == sorted(call.times)
            assert all(begin <= end for begin, end in call.cpus)
            if call.parent:
                assert self.calls[call.parent].request == call.request
                assert self.calls[call.parent].id < call.id
        for request, r in self.requests.items():
            assert "endpoint" in r, request
            roots = [c for c in self.calls.values() if c.request == request and not c.parent]
            assert len(roots) == 1
        assert self.counts == Counter(c.name for c in self.calls.values())


def environment(directory: Path, **more: str) -> dict[str, str]:
    """The environment of a process under the recorder."""
    path = [str(PACKAGE / "_bootstrap"), str(PACKAGE.parent), str(APPS)]
    return (
        os.environ
        | {
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SPLITCOST_MODE": "record",
            "SPLITCOST_LOG_DIR": str(directory),
            "SPLITCOST_PACKAGES": "shop",
            "SPLITCOST_ENDPOINT_HEADER": "x-splitcost-request",
        }
        | more
    )


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a session, and every child it left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE_SECS)


class Runs:
    """Runs programs under the recorder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "logs"
        self.stderr = ""
        self.stdout = ""

    def run(
        self, *arguments: str, ok: bool = True, deadline_secs: float = DEADLINE_SECS, **more: str
    ) -> list[Log]:
        """Run Python with these arguments to its end; gives its logs, its own first."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(self.directory, **more),
            cwd=self.directory.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self.stdout, self.stderr = process.communicate(timeout=deadline_secs)
        finally:
            end_group(process)
        assert (process.returncode == 0) == ok, self.stderr
        return self.logs()

    def code(self, text: str, **more: str) -> Log:
        """Run this program; gives its log, which has passed every check."""
        (log,) = self.run("-c", "from shop import orders, pricing\nimport asyncio\n" + text, **more)
        log.check()
        return log

    def logs(self) -> list[Log]:
        """All logs so far, oldest first."""
        paths = sorted(self.directory.glob("*.log"), key=lambda path: path.stat().st_ctime_ns)
        # A process that lives may have just made its log.
        return [Log(path) for path in paths if path.stat().st_size > 0]

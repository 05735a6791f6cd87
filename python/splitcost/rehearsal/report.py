"""The report of a service: its calls, and values that could not cross. It is written when splitcost asks."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from splitcost.codec import Obstacle
from splitcost.rehearsal.context import shown


class Refusal(NamedTuple):
    """A value that could not cross, in a call that this process made: functions, reason and call site."""

    caller: str
    callee: str
    reason: Obstacle
    type: str
    file: str
    line: int


class Sent(NamedTuple):
    """A call site, for the requests of one (quoted) endpoint."""

    endpoint: str
    caller: str
    callee: str
    cached: bool
    """The function's results are cached where it lives."""


class CallCount:
    """Attempts to call one function from one module; those that the other side answered, and failed ones."""

    __slots__ = ("answered", "blocking", "bytes", "count", "errors")

    def __init__(self) -> None:
        self.count = self.answered = self.blocking = self.bytes = self.errors = 0


class Occurrences:
    """The number of times that a value could not cross, by (quoted) endpoint, and the path to it the first time."""

    __slots__ = ("by_endpoint", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.by_endpoint: Counter[str] = Counter()


class AttemptCount:
    """Calls of one endpoint's requests while something goes wrong on purpose, and their attempts."""

    __slots__ = ("attempts", "calls")

    def __init__(self) -> None:
        self.calls = self.attempts = 0


class Report:
    """Counts by call site and by function. Thread-safe.

    Each process of the service has a FIFO ``PID.request`` in ``directory``. A daemon thread waits there, and
    answers each byte by writing ``PID.json``. It does not run in between, and it answers also while the event loop
    is blocked. A process that ends by itself writes its last report.
    """

    def __init__(self, service: str, directory: Path | None) -> None:
        self._service = service
        self._directory = directory
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._refusals: dict[Refusal, Occurrences] = {}
        self._calls: dict[Sent, CallCount] = {}
        self._answered: dict[tuple[str, str], int] = {}
        self._requests: dict[str, int] = {}
        self._attempts: dict[str, AttemptCount] = {}
        self._uses: dict[tuple[str, str, str], int] = {}
        self._transactions: dict[tuple[str, str, str], int] = {}

    def open(self) -> None:
        """Report when asked from here on, for this process, what it counts from here on."""
        if self._directory is None:
            return
        self._forget()  # This may be a fork of a process that has counted.
        own = self._directory / str(os.getpid())
        request, path = own.with_suffix(".request"), own.with_suffix(".json")
        os.mkfifo(request, 0o600)
        # For writing as well, so that reading goes on when nobody else has it open.
        fifo = os.open(request, os.O_RDWR | os.O_CLOEXEC)
        atexit.register(self._write, path, os.getpid())
        threading.Thread(target=self._answer, args=(path, fifo), name="splitcost-report", daemon=True).start()

    def refusal(self, refusal: Refusal, path: str, endpoint: str) -> None:
        """Count a value that could not cross; the first path seen at a call site is kept."""
        with self._lock:
            found = self._refusals.get(refusal)
            if found is None:
                found = self._refusals[refusal] = Occurrences(path)
            found.by_endpoint[endpoint] += 1

    def request(self, endpoint: str) -> None:
        """Count a request that came from outside."""
        with self._lock:
            self._requests[endpoint] = self._requests.get(endpoint, 0) + 1

    def answer(self, endpoint: str, callee: str) -> None:
        """Count a call of another service that this one answers; one of no function is a use of something kept here."""
        if not callee:
            return
        with self._lock:
            self._answered[endpoint, callee] = self._answered.get((endpoint, callee), 0) + 1

    def call(self, sent: Sent, size: int, *, blocking: bool, answered: bool, failed: bool) -> None:
        """Count an attempt of a call that was sent."""
        with self._lock:
            counts = self._calls.get(sent)
            if counts is None:
                counts = self._calls[sent] = CallCount()
            counts.count += 1
            counts.answered += answered
            counts.bytes += size
            counts.blocking += blocking
            counts.errors += failed

    def use(self, endpoint: str, caller: str, kind: str) -> None:
        """Count a use, by a module, of an object of this class that stays in another service."""
        with self._lock:
            self._uses[endpoint, caller, kind] = self._uses.get((endpoint, caller, kind), 0) + 1

    def transaction(self, endpoint: str, caller: str, callee: str) -> None:
        """Count a call that committed a transaction of its own, where its caller had one as well."""
        with self._lock:
            key = endpoint, caller, callee
            self._transactions[key] = self._transactions.get(key, 0) + 1

    def attempt(self, endpoint: str, *, first: bool) -> None:
        """Count an attempt while something goes wrong on purpose, and with the first one its call."""
        with self._lock:
            counts = self._attempts.get(endpoint)
            if counts is None:
                counts = self._attempts[endpoint] = AttemptCount()
            counts.calls += first
            counts.attempts += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the report's document."""
        with self._lock:
            events = [
                {
                    **refusal._asdict(),
                    "obstacle": refusal.reason.phrase,
                    "path": found.path,
                    "count": found.by_endpoint.total(),
                    "endpoints": {shown(name): count for name, count in found.by_endpoint.items()},
                }
                for refusal, found in self._refusals.items()
            ]
            calls = [
                {
                    "endpoint": shown(sent.endpoint),
                    "caller": sent.caller,
                    "callee": sent.callee,
                    "cached": sent.cached,
                    "count": c.count,
                    "answered": c.answered,
                    "blocking": c.blocking,
                    "bytes": c.bytes,
                    "errors": c.errors,
                }
                for sent, c in self._calls.items()
            ]
            answered = [
                {"endpoint": shown(endpoint), "callee": callee, "count": count}
                for (endpoint, callee), count in self._answered.items()
            ]
            uses = [
                {"endpoint": shown(endpoint), "caller": caller, "class": kind, "count": count}
                for (endpoint, caller, kind), count in self._uses.items()
            ]
            transactions = [
                {"endpoint": shown(endpoint), "caller": caller, "callee": callee, "count": count}
                for (endpoint, caller, callee), count in self._transactions.items()
            ]
            requests = {shown(endpoint): count for endpoint, count in self._requests.items()}
            attempts = {shown(endpoint): [c.calls, c.attempts] for endpoint, c in self._attempts.items()}
        return {
            "service": self._service,
            "pid": os.getpid(),
            "events": events,
            "calls": calls,
            "answered": answered,
            "uses": uses,
            "transactions": transactions,
            "requests": requests,
            "attempts": attempts,
        }

    def _answer(self, path: Path, fifo: int) -> None:
        while os.read(fifo, 1):
            self._write(path, os.getpid())

    def _write(self, path: Path, process: int) -> None:
        if process != os.getpid():  # A fork of that process has its exit steps as well.
            return
        draft = path.with_suffix(".part")
        # Readers see a whole report or none.
        draft.write_text(json.dumps(self.as_dict()), encoding="utf-8")
        draft.replace(path)

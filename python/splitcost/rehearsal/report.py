"""The report of a service: its calls, and values that could not cross. It is written when splitcost asks."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import NamedTuple

from splitcost.codec import Obstacle


class Refusal(NamedTuple):
    """A value that could not cross: functions, reason and call site, and the handling of the call."""

    caller: str
    callee: str
    reason: Obstacle
    type: str
    file: str
    line: int
    handling: str


class CallCount:
    """Calls of one function by one module."""

    __slots__ = ("blocking", "bytes", "count", "errors")

    def __init__(self) -> None:
        self.count = self.blocking = self.bytes = self.errors = 0


class Occurrences:
    """The number of times that a value could not cross, and the path to it the first time."""

    __slots__ = ("count", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0


class AttemptCount:
    """Calls of one endpoint's requests while something goes wrong on purpose, and their attempts."""

    __slots__ = ("attempts", "calls")

    def __init__(self) -> None:
        self.calls = self.attempts = 0


KEPT_LOCAL = "kept local"
REFUSED = "refused"


class Report:
    """Counts by call site and by function. Thread-safe.

    A daemon thread waits for requests at the FIFO ``request`` and answers each byte by writing ``path``. It
    does not run in between, and it answers also while the event loop is blocked.
    """

    def __init__(self, service: str, path: Path | None, request: Path | None) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._refusals: dict[Refusal, Occurrences] = {}
        self._calls: dict[tuple[str, str], CallCount] = {}
        self._attempts: dict[str, AttemptCount] = {}
        if path is not None and request is not None:
            # For writing as well, so that reading goes on when nobody else has it open.
            fifo = os.open(request, os.O_RDWR | os.O_CLOEXEC)
            threading.Thread(
                target=self._answer, args=(path, fifo), name="splitcost-report", daemon=True
            ).start()

    def refusal(self, refusal: Refusal, path: str) -> None:
        """Count a value that could not cross; the first path seen at a call site is kept."""
        with self._lock:
            found = self._refusals.get(refusal)
            if found is None:
                found = self._refusals[refusal] = Occurrences(path)
            found.count += 1

    def call(self, caller: str, callee: str, size: int, blocking: bool, failed: bool) -> None:
        """Count a call that was sent."""
        with self._lock:
            counts = self._calls.get((caller, callee))
            if counts is None:
                counts = self._calls[caller, callee] = CallCount()
            counts.count += 1
            counts.bytes += size
            counts.blocking += blocking
            counts.errors += failed

    def attempt(self, endpoint: str, *, first: bool) -> None:
        """Count an attempt while something goes wrong on purpose, and with the first one its call."""
        with self._lock:
            counts = self._attempts.get(endpoint)
            if counts is None:
                counts = self._attempts[endpoint] = AttemptCount()
            counts.calls += first
            counts.attempts += 1

    def as_dict(self) -> dict[str, object]:
        """Return the report's document."""
        with self._lock:
            events = [
                {
                    **refusal._asdict(),
                    "obstacle": refusal.reason.phrase,
                    "path": found.path,
                    "count": found.count,
                }
                for refusal, found in self._refusals.items()
            ]
            calls = [
                {
                    "caller": caller,
                    "callee": callee,
                    "count": c.count,
                    "blocking": c.blocking,
                    "bytes": c.bytes,
                    "errors": c.errors,
                }
                for (caller, callee), c in self._calls.items()
            ]
            attempts = {endpoint: [c.calls, c.attempts] for endpoint, c in self._attempts.items()}
        return {
            "service": self._service,
            "pid": os.getpid(),
            "events": events,
            "calls": calls,
            "attempts": attempts,
        }

    def _answer(self, path: Path, fifo: int) -> None:
        draft = path.with_suffix(".part")
        while os.read(fifo, 1):
            # Readers see a whole report or none.
            draft.write_text(json.dumps(self.as_dict()), encoding="utf-8")
            draft.replace(path)

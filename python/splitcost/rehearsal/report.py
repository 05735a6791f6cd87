"""What the service saw: calls counted, and what could not cross, written to a file again and again."""

from __future__ import annotations

import atexit
import json
import os
import threading
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where and why a value could not cross."""

    caller: str
    callee: str
    reason: str
    type: str
    file: str
    line: int
    handling: str


class CallCount:
    """Calls of one function by one module."""

    __slots__ = ("blocking", "bytes", "count", "errors")

    def __init__(self) -> None:
        self.count = self.blocking = self.bytes = self.errors = 0


KEPT_LOCAL = "kept local"
REFUSED = "refused"


class Report:
    """Counts by place and by call. Thread-safe; a daemon thread writes it each second while it changes."""

    PERIOD_SECS = 1.0  # Chosen: what a killed process loses.

    def __init__(self, service: str, directory: Path | None) -> None:
        self._service = service
        self._path = directory / f"{service}.json" if directory else None
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._events: dict[Place, list[int | str]] = {}
        self._calls: dict[tuple[str, str], CallCount] = {}
        self._attempts: dict[str, list[int]] = {}
        self._changed = False
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stop = threading.Event()
            self._changed = True
            threading.Thread(target=self._write_on, name="splitcost-report", daemon=True).start()
            atexit.register(self.write)

    def event(self, place: Place, path: str) -> None:
        """Count something that could not cross; the first path seen at a place is kept."""
        with self._lock:
            self._events.setdefault(place, [path, 0])[1] += 1  # type: ignore[operator]
            self._changed = True

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
            self._changed = True

    def attempt(self, endpoint: str, *, first: bool) -> None:
        """Count an attempt while something goes wrong on purpose, and with the first one its call."""
        with self._lock:
            counts = self._attempts.setdefault(endpoint, [0, 0])
            counts[0] += first
            counts[1] += 1
            self._changed = True

    def as_dict(self) -> dict[str, object]:
        """The report's document."""
        with self._lock:
            events = [
                {**place._asdict(), "path": path, "count": n} for place, (path, n) in self._events.items()
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
            attempts = {endpoint: list(counts) for endpoint, counts in self._attempts.items()}
        return {
            "service": self._service,
            "pid": os.getpid(),
            "events": events,
            "calls": calls,
            "attempts": attempts,
        }

    def write(self) -> None:
        """Write the file if anything changed; readers see the old one or the new one, never half of one."""
        if self._path is None or not self._changed:
            return
        with self._write_lock:
            self._changed = False
            draft = self._path.with_suffix(f".{os.getpid()}.part")
            try:
                draft.write_text(json.dumps(self.as_dict()), encoding="utf-8")
                draft.replace(self._path)
            except OSError:
                self._changed = (
                    True  # The directory may be gone at the very end; the next second tries again.
                )

    def _write_on(self) -> None:
        self.write()
        while not self._stop.wait(self.PERIOD_SECS):
            self.write()

"""The fault that is injected into a service: its begin, its end, and how slow functions are meanwhile.

splitcost writes a file that describes it before the load begins. Faults between services are injected by the
emulated links.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

_AGAIN_SECS = 0.1
"""Time between two looks for the file. Chosen: it is there seconds before the fault begins."""


class Faults:
    """The fault of this run. Times are those of ``time.monotonic()``, which all processes share."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._look_at = 0.0 if path else float("inf")
        self._from = self._until = float("inf")
        self._slow = 1.0

    def is_on(self) -> bool:
        """Return if the fault is on now."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)
        return self._from <= now < self._until

    def slowness(self) -> float:
        """Return the factor by which a function that begins now takes longer."""
        return self._slow if self.is_on() else 1.0

    def _look(self, now: float) -> None:
        self._look_at = now + _AGAIN_SECS
        if self._path is None:
            return
        try:
            fault = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        self._from, self._until, self._slow = fault["from_secs"], fault["until_secs"], fault["slow"]

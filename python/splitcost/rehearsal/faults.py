"""What goes wrong on purpose inside a service: when, and how slow its functions are meanwhile.

The rehearsal writes a file before the load begins. What goes wrong between services is its emulated link's.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

_AGAIN_SECS = 0.1
"""Chosen: the file is there a second before what it says begins."""


class Faults:
    """The fault that this run makes. Times are those of ``time.monotonic()``, which all processes share."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._look_at = 0.0 if path else float("inf")
        self._from = self._until = float("inf")
        self._slow = 1.0

    def is_on(self) -> bool:
        """Whether something goes wrong now."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)
        return self._from <= now < self._until

    def slowness(self) -> float:
        """How many times as long a function takes that begins now."""
        return self._slow if self.is_on() else 1.0

    def _look(self, now: float) -> None:
        self._look_at = now + _AGAIN_SECS
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))  # type: ignore[union-attr]
        except FileNotFoundError:
            return
        self._from, self._until, self._slow = told["from_secs"], told["until_secs"], told["slow"]

"""How this service calls others: timeout, retries with backoff and jitter, a budget for them."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

NO_TIMEOUT_SECS = 86_400.0
"""What stands for none. Chosen: longer than any rehearsal, and no client's clock overflows."""

TOKENS = 10.0
"""Retries that a budget holds at most, and at first. Spec: the example of gRPC's retry throttling (A6)."""


@dataclass(frozen=True)
class Policy:
    """The policy of a rehearsal. ``budget`` is in retries per call."""

    timeout_secs: float = 10.0
    retries: int = 0
    backoff_secs: float = 0.1
    budget: float | None = None
    connections: int | None = None

    def wait_secs(self, retry: int) -> float:
        """The wait before retry ``retry``, the first being 1: exponential, with full jitter."""
        return random.uniform(0.0, self.backoff_secs * 2 ** min(retry - 1, 16))


class Budget:
    """What is left for retries of calls to one service. Thread-safe."""

    def __init__(self, share: float | None) -> None:
        self._share = share
        self._tokens = TOKENS
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A call begins."""
        if self._share is not None:
            with self._lock:
                self._tokens = min(self._tokens + self._share, TOKENS)

    def spend(self) -> bool:
        """Whether a retry may be made."""
        if self._share is None:
            return True
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True

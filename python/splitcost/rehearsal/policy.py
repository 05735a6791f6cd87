"""The policy of calls to other services: timeout, retries with backoff and jitter, a budget for retries."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

NO_TIMEOUT_SECS = 86_400.0
"""The timeout of calls without one. Chosen: longer than any rehearsal, and no client's clock overflows."""


@dataclass(frozen=True)
class Policy:
    """The policy of a rehearsal."""

    timeout_secs: float
    retries: int
    backoff_secs: float
    budget: float | None
    """Retries that each call earns; ``None`` for as many as fail."""
    budget_tokens: float
    """Retries that a budget holds at most, and at first."""
    connections: int | None
    """Connections to another service at most; ``None`` for the stack's own limit."""

    def wait_secs(self, retry: int) -> float:
        """Return the wait before retry ``retry``, the first being 1: exponential, with full jitter."""
        return random.uniform(0.0, self.backoff_secs * 2 ** min(retry - 1, 16))


NO_LIMITS = Policy(
    timeout_secs=NO_TIMEOUT_SECS,
    retries=0,
    backoff_secs=0.0,
    budget=None,
    budget_tokens=0.0,
    connections=None,
)
"""One attempt for each call, which may take as long as it takes."""


class Budget:
    """The retries that are left for calls to one service. Thread-safe."""

    def __init__(self, policy: Policy) -> None:
        self._share = policy.budget
        self._most = self._tokens = policy.budget_tokens
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Add a call's share: it begins now."""
        if self._share is not None:
            with self._lock:
                self._tokens = min(self._tokens + self._share, self._most)

    def spend(self) -> bool:
        """Take one retry; return if there was one."""
        if self._share is None:
            return True
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True

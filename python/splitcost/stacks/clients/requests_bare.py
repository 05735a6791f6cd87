"""requests without a `Session`: the function `requests.post`, which connects for every call."""

from __future__ import annotations

from splitcost.stacks import Answer, Client
from splitcost.stacks.clients.requests_session import post

NEEDS = ("requests",)
TRANSPORTS = ("http/1.1",)
AWAITS = False
PER_CALL = True


def make(transport: str) -> Client:
    """A new client."""
    return BareClient()


class BareClient:
    """Nothing is kept."""

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        import requests

        return post(requests, url, line, body, timeout_secs)

    def close(self) -> None:
        """Nothing is kept."""

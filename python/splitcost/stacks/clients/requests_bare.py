"""requests without a `Session`: the function `requests.post`, which connects for every call."""

from __future__ import annotations

from splitcost.stacks import Answer, BlockingClientPart
from splitcost.stacks.clients.requests_session import post


class BareClient:
    """Nothing is kept."""

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        import requests

        return post(requests, url, line, body, timeout_secs)

    def close(self) -> None:
        """Nothing is kept."""


PARTS = {
    "requests_bare": BlockingClientPart(
        summary="requests without a `Session`: the function `requests.post`, which connects for every call.",
        needs=("requests",),
        keeping="requests_session",
        make=lambda transport: BareClient(),
    )
}

"""requests with a `Session` that all threads share."""

from __future__ import annotations

from typing import Any

from splitcost import stacks
from splitcost.stacks import HEADER, Answer, BlockingClientPart, Unreachable


class SessionClient:
    """One `Session`, with as many connections as it is used from threads."""

    def __init__(self) -> None:
        import requests.adapters

        self._session = requests.Session()
        # Proxies and .netrc would be looked up for every call.
        self._session.trust_env = False
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=stacks.CONNECTIONS))

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        return post(self._session, url, line, body, timeout_secs)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def post(requests: Any, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
    """`requests.post` or a session's."""
    from requests.exceptions import RequestException, Timeout

    try:
        response = requests.post(url, data=body, headers={HEADER: line}, timeout=timeout_secs)
    except Timeout as error:
        raise TimeoutError from error
    except RequestException as error:
        if "Read timed out" in str(error):  # While the body came: requests has no type for that.
            raise TimeoutError from error
        raise Unreachable(str(error) or type(error).__name__) from error
    return Answer(response.status_code, response.content)


PARTS = {
    "requests_session": BlockingClientPart(
        summary="requests with a `Session` that all threads share.",
        needs=("requests",),
        make=lambda transport: SessionClient(),
    )
}

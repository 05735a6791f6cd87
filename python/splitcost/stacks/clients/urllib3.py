"""urllib3 with a `PoolManager` that all threads share."""

from __future__ import annotations

from splitcost import stacks
from splitcost.stacks import HEADER, Answer, BlockingClientPart, Unreachable


class PoolClient:
    """One pool for all threads."""

    def __init__(self) -> None:
        import urllib3

        self._errors = urllib3.exceptions
        self._pool = urllib3.PoolManager(maxsize=stacks.CONNECTIONS, retries=False)

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        try:
            response = self._pool.request(
                "POST", url, body=body, headers={HEADER: line}, timeout=timeout_secs
            )
        except self._errors.TimeoutError as error:
            # A refused connection is a timeout of theirs, too.
            if isinstance(error, self._errors.NewConnectionError):
                raise Unreachable(str(error)) from error
            raise TimeoutError from error
        except self._errors.HTTPError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status, response.data)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


PARTS = {
    "urllib3": BlockingClientPart(
        summary="urllib3 with a `PoolManager` that all threads share.",
        needs=("urllib3",),
        make=lambda transport: PoolClient(),
    )
}

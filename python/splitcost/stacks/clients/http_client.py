"""`http.client` of the standard library: a connection per thread."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

from splitcost.stacks import HEADER, KEPT_SECS, Answer, BlockingClientPart, Unreachable


class _Kept:
    """A connection, its path, and until when it may be used again."""

    __slots__ = ("connection", "path", "until")

    def __init__(self, url: str, timeout_secs: float) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_secs)
        self.path = parts.path
        self.until = 0.0


class ConnectionClient:
    """One `HTTPConnection` per thread and URL: it knows no pool."""

    def __init__(self) -> None:
        self._threads = threading.local()
        self._lock = threading.Lock()
        self._all: list[_Kept] = []

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        kept: _Kept | None = self._threads.__dict__.get(url)
        if kept is None:
            kept = self._threads.__dict__[url] = _Kept(url, timeout_secs)
            with self._lock:
                self._all.append(kept)
        connection = kept.connection
        if connection.sock is not None:
            if time.monotonic() > kept.until:
                connection.close()
            elif connection.timeout != timeout_secs:
                connection.sock.settimeout(timeout_secs)
        connection.timeout = timeout_secs
        try:
            connection.request("POST", kept.path, body, {HEADER: line})
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except TimeoutError:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(str(error) or type(error).__name__) from error
        kept.until = time.monotonic() + KEPT_SECS
        return answer

    def close(self) -> None:
        """Close the connections."""
        for kept in self._all:
            kept.connection.close()


PARTS = {
    "http_client": BlockingClientPart(
        summary="`http.client` of the standard library: a connection per thread.",
        make=lambda transport: ConnectionClient(),
    )
}

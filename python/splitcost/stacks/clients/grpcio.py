"""grpcio's blocking client: one channel for all threads."""

from __future__ import annotations

import threading
from typing import Any

from splitcost.stacks import HEADER, Answer, BlockingClientPart, Status


class ChannelClient:
    """A channel per URL."""

    def __init__(self) -> None:
        import grpc

        from splitcost.stacks import grpc_unary

        self._grpc, self._unary = grpc, grpc_unary
        self._lock = threading.Lock()
        self._channels: dict[str, tuple[Any, Any]] = {}

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        known = self._channels.get(url)
        if known is None:
            with self._lock:
                known = self._channels.get(url)
                if known is None:
                    options = self._unary.OPTIONS
                    channel = self._grpc.insecure_channel(self._unary.authority(url), options=options)
                    known = self._channels[url] = (channel, channel.unary_unary(self._unary.PATH))
        try:
            return Answer(Status.OK, known[1](body, metadata=((HEADER, line),), timeout=timeout_secs))
        except self._grpc.RpcError as error:
            return self._unary.answer_of(error)

    def close(self) -> None:
        """Close the channels."""
        for channel, _ in self._channels.values():
            channel.close()


PARTS = {
    "grpcio": BlockingClientPart(
        summary="grpcio's blocking client: one channel for all threads.",
        needs=("grpcio",),
        transports=("grpc",),
        make=lambda transport: ChannelClient(),
    )
}

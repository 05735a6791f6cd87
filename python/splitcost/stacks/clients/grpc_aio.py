"""`grpc.aio`: one channel for the event loop."""

from __future__ import annotations

from typing import Any

from splitcost.stacks import HEADER, Answer, AwaitingClientPart, Status


class ChannelClient:
    """A channel per URL."""

    def __init__(self) -> None:
        import grpc.aio

        from splitcost.stacks import grpc_unary

        self._aio, self._unary = grpc.aio, grpc_unary
        self._channels: dict[str, tuple[Any, Any]] = {}

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        known = self._channels.get(url)
        if known is None:
            channel = self._aio.insecure_channel(self._unary.authority(url), options=self._unary.OPTIONS)
            known = self._channels[url] = (channel, channel.unary_unary(self._unary.PATH))
        try:
            return Answer(Status.OK, await known[1](body, metadata=((HEADER, line),), timeout=timeout_secs))
        except self._aio.AioRpcError as error:
            return self._unary.answer_of(error)

    async def close(self) -> None:
        """Close the channels."""
        for channel, _ in self._channels.values():
            await channel.close()


PARTS = {
    "grpc_aio": AwaitingClientPart(
        summary="`grpc.aio`: one channel for the event loop.",
        needs=("grpcio",),
        transports=("grpc",),
        make=lambda transport: ChannelClient(),
    )
}

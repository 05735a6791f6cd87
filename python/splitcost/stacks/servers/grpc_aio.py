"""The server of `grpc.aio`, on asyncio's own event loop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

from splitcost.stacks import Answerer, AwaitingServerPart, Status


def serve(answerer: Answerer, listener: socket.socket, transport: str, announce: Callable[[], None]) -> None:
    """Serve until the process is asked to terminate."""

    async def until_the_end() -> None:
        end = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
        # The listener is bound, not listening: it keeps others away.
        server, _ = await start(answerer, listener.getsockname()[1], share_port=True)
        announce()
        await end.wait()
        await server.stop(grace=1.0)

    asyncio.run(until_the_end())


async def start(answerer: Answerer, *ports: int, share_port: bool) -> tuple[Any, int]:
    """Serve on loopback in the running loop; gives the server and its first port (0: the kernel chooses)."""
    import grpc.aio

    from splitcost.stacks import grpc_unary

    async def call(request: bytes, context: Any) -> bytes:
        answer = await answerer(grpc_unary.line_in(context), request)
        if answer.status != Status.OK:
            code = grpc_unary.CODES[Status(answer.status)]
            await context.abort(code, answer.body.decode("utf-8", "replace"))
        return answer.body

    server = grpc.aio.server(options=[*grpc_unary.OPTIONS, ("grpc.so_reuseport", int(share_port))])
    server.add_generic_rpc_handlers(grpc_unary.handlers(call))
    bound, *_ = [server.add_insecure_port(f"127.0.0.1:{port}") for port in ports]
    await server.start()
    return server, int(bound)


PARTS = {
    "grpc_aio": AwaitingServerPart(
        summary="The server of `grpc.aio`, on asyncio's own event loop.",
        needs=("grpcio",),
        transports=("grpc",),
        serve=serve,
    )
}

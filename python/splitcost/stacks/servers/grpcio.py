"""grpcio's server on a pool of threads."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from splitcost.stacks import SERVER_THREADS, BlockingAnswerer, BlockingServerPart, Status


def serve(
    answerer: BlockingAnswerer, listener: socket.socket, transport: str, announce: Callable[[], None]
) -> None:
    """Serve until the process is asked to terminate."""
    import grpc

    from splitcost.stacks import grpc_unary

    def call(request: bytes, context: Any) -> bytes:
        answer = answerer(grpc_unary.line_in(context), request)
        if answer.status != Status.OK:
            context.abort(grpc_unary.CODES[Status(answer.status)], answer.body.decode("utf-8", "replace"))
        return answer.body

    server = grpc.server(ThreadPoolExecutor(SERVER_THREADS), options=grpc_unary.OPTIONS)
    server.add_generic_rpc_handlers(grpc_unary.handlers(call))
    # The listener is bound, not listening: it keeps others away.
    server.add_insecure_port(f"127.0.0.1:{listener.getsockname()[1]}")
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    server.start()
    announce()
    end.wait()
    server.stop(grace=1.0).wait()


PARTS = {
    "grpcio": BlockingServerPart(
        summary="grpcio's server on a pool of threads.",
        needs=("grpcio",),
        transports=("grpc",),
        serve=serve,
    )
}

"""gRPC: grpcio's blocking client for threads, `grpc.aio` for coroutines, and a `grpc.aio` server in the app's
loop.

Bodies are bytes of our own encoding: no protobuf code is generated, and none is timed.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import grpc.aio

from splitcost.stacks import MAX_BODY_BYTES, Answer, Answerer, Status, Unreachable

METHOD = "/splitcost/call"
KEY = "x-splitcost-call"

_OPTIONS = [
    ("grpc.max_send_message_length", MAX_BODY_BYTES),
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

_CODES = {
    Status.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Status.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Status.NOT_FOUND: grpc.StatusCode.UNIMPLEMENTED,
    Status.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_STATUSES = {code: status for status, code in _CODES.items()}


class GrpcStack:
    """One channel per service for all threads, and one per service and event loop."""

    rpc_port_is_http_port = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callables: dict[int, Any] = {}
        self._loops: dict[asyncio.AbstractEventLoop, dict[int, tuple[Any, Any]]] = {}
        self._server: Any = None

    def call(self, port: int, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks."""
        method = self._callables.get(port)
        if method is None:
            with self._lock:
                method = self._callables.get(port)
                if method is None:
                    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS)
                    method = self._callables[port] = channel.unary_unary(METHOD)
        try:
            return Answer(Status.OK, method(body, metadata=((KEY, line),), timeout=timeout_secs))
        except grpc.RpcError as error:
            return _answer_of(error)

    async def call_async(self, port: int, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which goes on."""
        loop = asyncio.get_running_loop()
        ports = self._loops.get(loop)
        if ports is None:
            ports = self._loops[loop] = {}
        known = ports.get(port)
        if known is None:
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS)
            known = ports[port] = (channel, channel.unary_unary(METHOD))
        try:
            return Answer(Status.OK, await known[1](body, metadata=((KEY, line),), timeout=timeout_secs))
        except grpc.aio.AioRpcError as error:
            return _answer_of(error)

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """The app as it is: calls have a port of their own."""
        return app

    async def start(self, port: int, answerer: Answerer) -> int:
        """Serve on loopback in the running loop."""

        async def call(request: bytes, context: Any) -> bytes:
            line = ""
            for key, value in context.invocation_metadata() or ():
                if key == KEY:
                    line = value
            answer = await answerer(line, request)
            if answer.status != Status.OK:
                await context.abort(_CODES[Status(answer.status)], answer.body.decode("utf-8", "replace"))
            return answer.body

        server = grpc.aio.server(options=[*_OPTIONS, ("grpc.so_reuseport", 0)])
        handlers = {"call": grpc.unary_unary_rpc_method_handler(call)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("splitcost", handlers),))
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        self._server = server
        return int(bound)

    async def stop(self) -> None:
        """Close the running loop's channels and the server; calls under way get a second."""
        for channel, _ in self._loops.pop(asyncio.get_running_loop(), {}).values():
            await channel.close()
        if self._server is not None:
            await self._server.stop(grace=1.0)
            self._server = None


def _answer_of(error: Any) -> Answer:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise TimeoutError from error
    if code in _STATUSES:
        return Answer(_STATUSES[code], (error.details() or "").encode())
    raise Unreachable(error.details() or code.name) from error


def make() -> GrpcStack:
    """A new stack."""
    return GrpcStack()

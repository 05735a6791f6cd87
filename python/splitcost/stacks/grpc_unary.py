"""The unary method that carries bytes between gRPC clients and servers.

No protobuf code is generated for the call itself: a message is the output of a codec.
"""

from __future__ import annotations

from typing import Any

import grpc

from splitcost.stacks import HEADER, MAX_BODY_BYTES, Answer, Status, Unreachable

SERVICE, METHOD = "splitcost", "call"
PATH = f"/{SERVICE}/{METHOD}"

OPTIONS = [
    ("grpc.max_send_message_length", MAX_BODY_BYTES),
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

CODES = {
    Status.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Status.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Status.NOT_FOUND: grpc.StatusCode.UNIMPLEMENTED,
    Status.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_STATUSES = {code: status for status, code in CODES.items()}


def authority(url: str) -> str:
    """Return host and port of a URL."""
    return url.partition("://")[2].partition("/")[0]


def answer_of(error: Any) -> Answer:
    """Return the answer that a failed call stands for; raises if no server answered."""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise TimeoutError from error
    if code in _STATUSES:
        return Answer(_STATUSES[code], (error.details() or "").encode())
    raise Unreachable(error.details() or code.name) from error


def line_in(context: Any) -> str:
    """Return the metadata line of the call that a server answers."""
    return next((value for key, value in context.invocation_metadata() or () if key == HEADER), "")


def handlers(behavior: Any) -> Any:
    """Return the handlers by which a server answers the method."""
    methods: dict[str, Any] = {METHOD: grpc.unary_unary_rpc_method_handler(behavior)}
    return (grpc.method_handlers_generic_handler(SERVICE, methods),)

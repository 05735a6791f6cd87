"""Exceptions of a call to another service, beside those that the function itself raises."""

from __future__ import annotations

from splitcost.codec import CannotCross, DecodeError

__all__ = [
    "CannotCross",
    "DeadlineExceeded",
    "DecodeError",
    "MessageTooLarge",
    "ObjectGone",
    "ReentrantCall",
    "RehearsalError",
    "RemoteError",
    "ServiceRefused",
    "ServiceUnavailable",
    "UnreadableAnswer",
]


class RehearsalError(Exception):
    """A call between services failed for a reason that does not exist in one process."""


class ServiceUnavailable(RehearsalError):
    """Nothing answers at the service's port, or the connection broke before the answer."""

    def __init__(self, service: str, detail: str = "") -> None:
        super().__init__(service, detail)
        self.service = service

    def __str__(self) -> str:
        return f"service {self.args[0]} is not available" + (f": {self.args[1]}" if self.args[1] else "")


class DeadlineExceeded(RehearsalError):
    """The answer did not come before the call's deadline."""

    def __init__(self, service: str, function: str, millis: float) -> None:
        super().__init__(service, function, millis)
        self.service = service

    def __str__(self) -> str:
        service, function, millis = self.args
        return f"{function} in service {service} did not answer within {millis:.0f} ms"


class ReentrantCall(RehearsalError):
    """A call back to a service whose event loop waits for this very chain of calls: it could never answer."""

    def __init__(self, function: str, chain: str) -> None:
        super().__init__(function, chain)

    def __str__(self) -> str:
        function, chain = self.args
        return (
            f"{function} cannot be called back: its service waits, event loop blocked, for this chain "
            f"of calls ({chain}); await the first call instead of making it from a plain function"
        )


class ServiceRefused(RehearsalError):
    """The other service refused the call: wrong token, another version, a function it does not own, malformed bytes."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(service, detail)
        self.service = service

    def __str__(self) -> str:
        return f"service {self.args[0]} refused the call: {self.args[1]}"


class MessageTooLarge(RehearsalError):
    """The arguments of a call, or its answer, are larger than a message may be. The text says size and limit."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(service, detail)
        self.service = service

    def __str__(self) -> str:
        return f"a message is too large in a call of service {self.args[0]}: {self.args[1]}"


class UnreadableAnswer(RehearsalError):
    """An answer that no service gives: another program has its port, or the types in it are not known here."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(service, detail)
        self.service = service

    def __str__(self) -> str:
        return f"the answer of service {self.args[0]} cannot be read: {self.args[1]}"


class RemoteError(RehearsalError):
    """An exception of the other service that cannot be rebuilt here: the name of its type and its message."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(type_name, message)
        self.type_name = type_name

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.args[1]}"


class ObjectGone(RehearsalError):
    """An object that stayed in its service is used after its request, or its process, has ended."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(kind, reason)

    def __str__(self) -> str:
        kind, reason = self.args
        return f"an object of {kind} that stayed in its service is gone: {reason}"

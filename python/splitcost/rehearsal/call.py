"""A call to another service: the function that it is of, and the call on its way."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from splitcost import codec
from splitcost.codec import CannotCross
from splitcost.rehearsal.functions import LINE, LRU_CACHED, Receiver
from splitcost.rehearsal.kept import OPERATIONS
from splitcost.rehearsal.live import Exchange, Handle
from splitcost.rehearsal.objects import Named

if TYPE_CHECKING:
    from splitcost.rehearsal.runtime import Runtime


class Target:
    """A function that lives in another service, or an operation on something that is kept there."""

    __slots__ = (
        "address",
        "is_cached",
        "is_local",
        "is_operation",
        "lost",
        "makes_changes",
        "module",
        "name",
        "names",
        "real",
        "receiver",
        "service",
        "shown",
        "wire_name",
    )

    def __init__(
        self, real: Any, module: str, name: str, runtime: Runtime, receiver: Receiver | None = None
    ) -> None:
        config = runtime.config
        self.real = real
        #: The thing that it is called on, where it is a method.
        self.receiver = receiver
        self.names = runtime.names
        self.module = module
        self.name = name
        self.wire_name = quote(f"{self.module}:{self.name}", safe=":._")
        qualname = name.partition(LINE)[0]
        self.shown = f"{config.boundary(self.module)}:{qualname}"
        self.service = str(config.owner(self.module))
        self.address = runtime.address_of(self.service)
        self.is_cached = isinstance(real, LRU_CACHED)
        self.is_operation = False
        # Calls stay in this process: the recording showed that they cannot cross, or the other side did.
        self.is_local = bool(config.local_functions & {self.shown, f"{self.module}:{qualname}"})
        #: It changes its arguments, as the recording or an answer showed.
        self.makes_changes = not config.changing_functions.isdisjoint(
            (self.shown, f"{self.module}:{qualname}")
        )
        #: The reason why a context manager that was entered elsewhere is entered here from then on.
        self.lost: CannotCross | None = None

    @classmethod
    def of_operation(cls, operation: str, handle: Handle, runtime: Runtime) -> Target:
        """Return the operation of this name on something of another service."""
        target = cls.__new__(cls)
        target.real = target.receiver = None
        target.names = runtime.names
        target.module, target.name, target.wire_name = OPERATIONS, operation, f"{OPERATIONS}:{operation}"
        target.shown, target.service = handle.shown, handle.service
        target.address = runtime.address_of(handle.service)
        target.is_cached = target.is_local = target.makes_changes = False
        target.lost = None
        target.is_operation = True
        return target

    def sent(self, args: tuple[Any, ...]) -> list[Any]:
        """Return the arguments as they are sent: what a method is called on goes by its name if it has one."""
        sent = list(args)
        if self.receiver is Receiver.INSTANCE and (name := self.names.find_name(args[0])) is not None:
            sent[0] = Named(name, args[0])
        return sent


class OutgoingCall:
    """One call on its way: made by :meth:`Runtime._prepare`, ended by :meth:`Runtime._finish`."""

    __slots__ = (
        "address",
        "args",
        "body",
        "caller",
        "exchange",
        "frame",
        "kwargs",
        "line",
        "parts",
        "remaining",
        "request",
        "target",
    )

    target: Target
    address: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    frame: FrameType | None
    caller: str
    body: bytes
    exchange: Exchange
    line: str
    remaining: float
    request: str
    #: The parts of the arguments as they were sent, if they may have changed before the answer is there.
    parts: codec.Parts | None

    def note_parts(self) -> None:
        """Note the parts of the arguments before the call is sent: another one may change them meanwhile."""
        self.parts = self.find_parts()

    def find_parts(self) -> codec.Parts:
        """Return the parts of the arguments, as the other side numbers them."""
        return self.parts or codec.Parts([list(self.args), self.kwargs], self.exchange.foreign)

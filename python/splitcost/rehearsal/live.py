"""Values that are no data: what stands for them in a message, and the objects that a process keeps for others.

- An object that has a name goes by it, and the other side has its own (:class:`~splitcost.rehearsal.objects.Names`).
- A resource of a known kind is obtained by the other side (:mod:`splitcost.rehearsal.resources`).
- A part of an argument is already at the other side; its number stands for it (:mod:`splitcost.codec.parts`).
- Everything else that may leave stays where it is, by a *handle*: the service, process and number of an object that is
  kept while its request lasts. What arrives is a *shell*: an object of the same class, each use of which goes back.
"""

from __future__ import annotations

import functools
import os
import secrets
import threading
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from splitcost import _native, codec
from splitcost.codec import CannotCross, DecodeError, Obstacle
from splitcost.rehearsal.errors import ObjectGone
from splitcost.rehearsal.objects import Named, Names, UnknownName

if TYPE_CHECKING:
    from splitcost.rehearsal.config import Config
    from splitcost.rehearsal.resources import Resources, Scope

KEPT_SECS = 60.0
"""The time after which an object is dropped if its request does not use it. Chosen: longer than a request takes."""

PART, NAMED, HANDLE, RESOURCE = "$part", "$name", "$handle", "$resource"
"""Tags of what stands for a value: the number of a part, a name, a handle, and the description of a resource."""


class Handle(NamedTuple):
    """The address of an object that stays in its process while a request lasts."""

    service: str
    process: str
    number: int
    #: The class, as messages name it.
    kind: str
    request: str
    #: The port at which that process alone answers, as others of its service share one.
    port: int = 0
    #: The name by which each process of the service finds its own; such an object outlives the request.
    name: str = ""

    @property
    def shown(self) -> str:
        """The class as reports name it."""
        return self.kind.replace(":", ".") if self.kind.startswith("builtins") else self.kind


class Held:
    """The objects that this process keeps for other services, by the request that uses them. Thread-safe."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._run = secrets.token_hex(6)
        #: The port at which this process alone answers.
        self.port = 0
        self._requests: dict[str, _Kept] = {}

    def _own_name(self) -> str:
        # Forked workers share the first part. Nothing is written here: threads ask side by side.
        return f"{self._run}-{os.getpid()}"

    def keep(self, value: Any, request: str) -> Handle:
        """Keep an object until its request ends; the same one has the same handle."""
        now = time.monotonic()
        with self._lock:
            kept = self._requests.get(request)
            if kept is None:
                for name in [name for name, old in self._requests.items() if now - old.used > KEPT_SECS]:
                    del self._requests[name]
                kept = self._requests[request] = _Kept()
            kept.used = now
            number = kept.numbers.get(id(value))
            if number is None:
                number = kept.numbers[id(value)] = kept.next
                kept.next += 1
                kept.values[number] = value
        return Handle(self._service, self._own_name(), number, codec.name_of(type(value)), request, self.port)

    def is_here(self, handle: Handle) -> bool:
        """Return if a handle is one of this process."""
        return handle.process == self._own_name()

    def leads_here(self, handle: Handle) -> bool:
        """Return if the way to a handle's object ends in this process, even if another one kept it."""
        return handle.service == self._service and (self.is_here(handle) or handle.port in (0, self.port))

    def find(self, handle: Handle, request: str) -> Any:
        """Return the object of a handle. Raises :class:`ObjectGone` where it is of another process or request."""
        if not self.is_here(handle):
            raise ObjectGone(handle.shown, f"its process of service {self._service} has ended")
        if handle.request != request:
            raise ObjectGone(handle.shown, "its request has ended")
        with self._lock:
            kept = self._requests.get(request)
            if kept is None or handle.number not in kept.values:
                raise ObjectGone(handle.shown, "it was given back")
            kept.used = time.monotonic()
            return kept.values[handle.number]

    def drop(self, value: Any, request: str) -> None:
        """Keep an object no longer."""
        with self._lock:
            kept = self._requests.get(request)
            if kept is not None and (number := kept.numbers.pop(id(value), None)) is not None:
                del kept.values[number]

    def end(self, request: str) -> None:
        """Drop the objects of a request that has ended."""
        with self._lock:
            kept = self._requests.pop(request, None)
        del kept  # Outside of the lock: an object may have something to do at its end.


class _Kept:
    __slots__ = ("next", "numbers", "used", "values")

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.next = 0
        self.used = 0.0


class Shell:
    """The base of all shells, which have a handle, and the way to use the object."""


#: Uses the object of a handle: gets, sets or deletes an attribute.
Use = Callable[..., Any]

_shells: dict[type, type] = {}
_handles = "__splitcost_handle__"


def handle_of(value: Shell) -> Handle:
    """Return the handle of a shell."""
    found: Handle = object.__getattribute__(value, "__dict__")[_handles]
    return found


def make_shell(handle: Handle, use: Use) -> Any:
    """Make the shell of an object of the app."""
    kind = codec.resolve(handle.kind)
    shell = _shells.get(kind)
    if shell is None:
        shell = _shells[kind] = type(kind.__name__, (kind, Shell), _members(kind))
    value: Any = object.__new__(shell)
    object.__getattribute__(value, "__dict__").update({_handles: handle, "__splitcost_use__": use})
    return value


def _members(kind: type) -> dict[str, Any]:
    def get(self: Any, name: str) -> Any:
        own = object.__getattribute__(self, "__dict__")
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return own["__splitcost_use__"](own[_handles], "get", name)

    def put(self: Any, name: str, value: Any) -> None:
        own = object.__getattribute__(self, "__dict__")
        own["__splitcost_use__"](own[_handles], "set", name, value)

    def remove(self: Any, name: str) -> None:
        own = object.__getattribute__(self, "__dict__")
        own["__splitcost_use__"](own[_handles], "delete", name)

    return {
        "__getattr__": get,
        "__setattr__": put,
        "__delattr__": remove,
        "__class__": property(lambda self: kind),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }


class Exchange:
    """One message's values that are no data, as :class:`splitcost.codec.Foreign` says."""

    def __init__(self, live: Live, request: str) -> None:
        self._live = live
        self._request = request
        self._numbers: dict[int, int] = {}
        self._most = 0
        self.is_idle = True
        #: The identities of values that something else stands for, or stood for.
        self.foreign: set[int] = set()
        #: Finds the parts of the arguments, which a message that answers a call can name.
        self.find_parts: Callable[[], codec.Parts] | None = None
        self._parts: codec.Parts | None = None
        #: The resources that the callee obtains for itself.
        self.resources: list[Any] = []
        #: Where resources are obtained, in a process that answers the call.
        self.scope: Scope | None = None
        #: The caller has uncommitted writes: what uses its database cannot cross.
        self.is_cut = False
        #: Rows of a database are such things.
        self.cuts_rows = False
        #: The service that answers a call that is made here.
        self.callee = ""

    def name_parts(self, parts: codec.Parts) -> None:
        """Let parts of the arguments stand for themselves from here on."""
        self._numbers, self._most = parts.numbers(), len(parts.values)
        self.is_idle = False

    @property
    def parts(self) -> codec.Parts:
        """The parts of the arguments. Raises :class:`DecodeError` if the message can name none."""
        if self._parts is None:
            if self.find_parts is None:
                raise DecodeError("a call cannot name parts of arguments")
            self._parts = self.find_parts()
        return self._parts

    def tag(self, value: Any) -> Any:
        """Return what stands for a part, a named thing, a shell, or an object that is to stay."""
        number = self._numbers.get(id(value))
        if number is not None:
            return {PART: [number, self._most]}
        kind = type(value)
        if kind is Named:
            self.foreign.add(id(value.value))
            return {NAMED: [value.name, codec.name_of(type(value.value))]}
        if kind is Handle:
            return {NAMED: [value.name, value.kind]} if value.name else {HANDLE: list(value)}
        if self.cuts_rows and self._live.resources.is_row(value):
            raise CannotCross("", Obstacle.UNCOMMITTED, f"{kind.__module__}.{kind.__qualname__}")
        resources = self._live.resources
        if kind in resources.kinds or resources.adapter_for(kind) is not None:
            return self._tag_resource(value)
        if issubclass(kind, Shell):
            handle = handle_of(value)
            if handle.name:
                return self.tag(handle)
        elif self._live.stays(kind):
            handle = self._live.held.keep(value, self._request)
        elif self._live.may_have_name(kind) and (name := self._live.names.find_name(value)) is not None:
            self.foreign.add(id(value))
            return {NAMED: [name, codec.name_of(kind)]}
        else:
            return None
        self.foreign.add(id(value))
        return {HANDLE: list(handle)}

    def tag_live(self, value: Any, reason: Obstacle) -> Any:
        """Return what stands for a live value: its name, or the description of a resource."""
        resources = self._live.resources
        if resources.has_own_name(value):
            tagged = self._tag_resource(value)
            if tagged is not None:
                resources.kinds.add(type(value))  # The next one is known at once.
            return tagged
        may_have_name = (
            reason is Obstacle.LIVE or type(value) is types.MethodType or resources.is_nameable(value)
        )
        if may_have_name and not _native.is_of_a_process(type(value).__module__):
            name = self._live.names.find_name(value)
            if name is not None:
                if resources.holds_transaction(value):
                    self._check_cut(value)
                    self.resources.append(value)
                self.foreign.add(id(value))
                return {NAMED: [name, codec.name_of(type(value))]}
        return self._tag_resource(value)

    def _check_cut(self, value: Any) -> None:
        if self.is_cut and self._live.resources.holds_transaction(value):
            kind = type(value)
            raise CannotCross("", Obstacle.UNCOMMITTED, f"{kind.__module__}.{kind.__qualname__}")

    def _tag_resource(self, value: Any) -> Any:
        resources = self._live.resources
        self._check_cut(value)
        if self.scope is not None:
            content = self.scope.describe(value)
            return None if content is None else {RESOURCE: content}
        content = resources.describe(value, self)
        if content is None:
            return None
        number = next((n for n, known in enumerate(self.resources) if known is value), None)
        if number is None:
            number = len(self.resources)
            self.resources.append(value)
        self.foreign.add(id(value))
        return {RESOURCE: [number, *content]}

    @functools.cached_property
    def session(self) -> Any:
        """The caller's session of SQLAlchemy to which rows belong that an answer brings, if there is one alone."""
        return None if self.scope is not None else self._live.resources.session(self.resources, self._request)

    @property
    def has_one_session(self) -> bool:
        """The callee has one session for the rows that a call brings: one that it is given, or that of a registry."""
        return self._live.resources.has_one_session(self.resources)

    def adopt(self, row: Any) -> Any:
        """Return a row that an answer brought as one of the caller's session; note one that a call brought."""
        if self.scope is not None:
            self.scope.rows.append(row)
        return row if self.session is None else self._live.resources.adopt(self.session, row)

    def attach(self, parts: list[Any]) -> None:
        """Attach rows that the callee wrote to the caller's session."""
        if self.session is not None:
            self._live.resources.attach(self.session, parts)

    def _find(self, name: str, kind: str) -> Any:
        """Return the object of a name: this process's own, or where it has none the shell of the callee's."""
        try:
            return self._live.names.find(name, kind)
        except UnknownName:
            if not self.callee:  # The caller sends it with its fields instead.
                raise
            handle = Handle(self.callee, "", 0, kind, self._request, name=name)
            return self._live.shell(handle)

    def untag(self, tag: str, content: Any) -> Any:
        """Return the value that something stands for."""
        if tag == PART:
            values, (number, most) = self.parts.values, content
            if not 0 <= number < len(values) or most != len(values):
                raise DecodeError("the arguments have other parts at the other side")
            return values[number]
        if tag == NAMED:
            value = self._find(*content)
        elif tag == HANDLE:
            value = self._live.take(Handle(*content), self._request)
        elif tag == RESOURCE:
            if self.scope is None:
                value = self._live.resources.take(content, self.resources)
            else:
                value = self.scope.find(content, self)
        else:
            raise DecodeError(f"unknown tag {tag}")
        self.foreign.add(id(value))
        return value


class Live:
    """The objects of a process that are no data: their names, and those that are kept for others."""

    def __init__(self, config: Config, names: Names, use: Use, resources: Resources) -> None:
        self.names = names
        self.resources = resources
        self.held = Held(config.service)
        self._use = use
        self._by_reference = frozenset(config.by_reference)
        self._config = config
        self._stays: dict[type, bool] = {}
        self._may_have_name: dict[type, bool] = {}

    def stays(self, kind: type) -> bool:
        """Return if objects of a class stay where they are, as the settings say."""
        if not self._by_reference:
            return False
        found = self._stays.get(kind)
        if found is None:
            names = (codec.name_of(base) for base in kind.__mro__)
            found = self._stays[kind] = not self._by_reference.isdisjoint(names)
        return found

    def may_have_name(self, kind: type) -> bool:
        """Return if objects of a class of the app are nothing but fields, so that one of them may be shared."""
        found = self._may_have_name.get(kind)
        if found is None:
            is_own = self._config.owner(kind.__module__) is not None
            found = self._may_have_name[kind] = (
                is_own and not issubclass(kind, Shell) and codec.is_object(kind)
            )
        return found

    def take(self, handle: Handle, request: str) -> Any:
        """Return the object of a handle if it is here, else its shell."""
        if self.held.leads_here(handle):
            return self.held.find(handle, request)
        return make_shell(handle, self._use)

    def shell(self, handle: Handle) -> Any:
        """Return the shell of a named object. Raises :class:`UnknownName` where its class can have none."""
        try:
            return make_shell(handle, self._use)
        except (DecodeError, TypeError):
            raise UnknownName(handle.name) from None

    def exchange(self, request: str) -> Exchange:
        """Return what encodes or decodes the messages of a call that is made for a request."""
        return Exchange(self, request)

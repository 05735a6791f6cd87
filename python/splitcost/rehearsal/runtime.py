"""The calling side: stubs in place of the functions of other services, and the way of a call through them."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import re
import socket
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from types import FrameType
from typing import Any
from urllib.parse import quote

import orjson

from splitcost import codec, stacks
from splitcost.codec import Obstacle
from splitcost.rehearsal.config import Config
from splitcost.rehearsal.context import (
    BLOCKED,
    Context,
    Site,
    current,
    endpoint_of,
    format_metadata,
    handed_by,
)
from splitcost.rehearsal.errors import (
    CannotCross,
    DeadlineExceeded,
    DecodeError,
    ReentrantCall,
    RemoteError,
    ServiceRefused,
    ServiceUnavailable,
)
from splitcost.rehearsal.faults import Faults
from splitcost.rehearsal.objects import NAMELESS, Method, Names, Receiver
from splitcost.rehearsal.policy import Budget
from splitcost.rehearsal.report import Refusal, Report, Sent
from splitcost.rehearsal.server import (
    CANNOT_CROSS,
    KEPT,
    LRU_CACHED,
    MUTATED,
    RAISED,
    RESULT,
    LoopbackAnswer,
    Server,
)
from splitcost.stacks.harness import usual_loop
from splitcost.stacks.service import shared_listener

NOWHERE = Site("(framework)", "", 0)
"""The caller if no code of the app is on the stack: a dependency that the framework calls."""

MAX_FRAMES = 40
"""Frames that are searched for a caller. Chosen: libraries between two modules of an app have fewer."""

_running_loop = asyncio._get_running_loop


def is_stub(function: Any) -> bool:
    """Return if something is one of our stubs, or a method that is one, without asking objects of the app."""
    kinds = (types.FunctionType, types.MethodType, LRU_CACHED)
    return type(function) in kinds and getattr(function, "__splitcost_stub__", False) is True


class Target:
    """A function that lives in another service."""

    __slots__ = (
        "address",
        "is_cached",
        "is_local",
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
        self.shown = f"{config.boundary(self.module)}:{self.name}"
        self.service = str(config.owner(self.module))
        self.address = runtime.address_of(self.service)
        self.is_cached = isinstance(real, LRU_CACHED)
        # Calls stay in this process: the recording showed that they cannot cross, or the other side did.
        self.is_local = bool(config.local_functions & {self.shown, f"{self.module}:{self.name}"})

    def sent(self, args: tuple[Any, ...]) -> list[Any]:
        """Return the arguments as they are sent: what a method is called on goes by its name."""
        sent = list(args)
        if self.receiver is not None:
            sent[0] = self.names.name_of(args[0], self.receiver)
        return sent


class LoopbackCarrier:
    """Carries calls to this process, as :class:`splitcost.stacks.Carrier` says.

    A call is answered without the context variables of its caller, which no message holds.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def call(self, address: str, line: str, body: bytes, timeout_secs: float) -> stacks.Answer:
        """Call a plain function on this thread."""
        context = contextvars.Context()
        self._server.follow_flask(context)
        return context.run(self._server.answer_here, line, body)

    async def call_async(self, address: str, line: str, body: bytes, timeout_secs: float) -> stacks.Answer:
        """Await a coroutine function in a task of its own, as a server would."""
        answer = self._server.answer(line, body)
        return await asyncio.get_running_loop().create_task(answer, context=contextvars.Context())

    async def serve(self, listener: socket.socket, answerer: stacks.Answerer) -> None:
        """Do nothing: nobody else calls."""


class OutgoingCall:
    """One call on its way: made by :meth:`Runtime._prepare`, ended by :meth:`Runtime._finish`."""

    __slots__ = ("args", "body", "caller", "frame", "kwargs", "line", "remaining", "request", "target")

    target: Target
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    frame: FrameType | None
    caller: str
    body: bytes
    line: str
    remaining: float
    request: str


class Runtime:
    """One service's part of a rehearsal: stubs, server and report, sharing one stack."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.report = Report(config.service, config.reports)
        self.faults = Faults(config.faults)
        self.names = Names(config)
        self.server = Server(config, self.faults, self.report, self.names)
        self.stack = LoopbackCarrier(self.server) if config.is_loopback else stacks.load(config.stack)
        self._opening = threading.Lock()
        self._open_in = 0  # The process that answers calls; it may have forked since.
        self._serving: asyncio.Task[None] | None = None
        self._policy = config.policy
        self._budgets = {service: Budget(config.policy) for service in config.services}
        self._callers: dict[tuple[str, str], str | None] = {}
        self._owners: dict[str, str | None] = {}
        self._blocked_self = (config.service + BLOCKED,)
        named = (name.partition(":")[0] for name in config.boundaries)
        codec_packages = {name.partition(".")[0] for name in (*config.packages, *named)}
        for package in codec_packages:
            codec.allow_package(package)

    # --- stubs

    def make_stub(self, real: Any, module: str, name: str) -> Any:
        """Make the stub that other modules of this process get in place of a function of another service."""
        innermost = inspect.unwrap(real)
        if inspect.isgeneratorfunction(innermost) or inspect.isasyncgenfunction(innermost):
            stub = self._generator_stub(real, module, name)
        else:
            stub = self.stub_of(real, module, name, awaited=inspect.iscoroutinefunction(innermost))
        stub.__splitcost_stub__ = True
        return stub

    def stub_of(self, real: Any, module: str, name: str, *, awaited: bool) -> Any:
        """Make a stub that is awaited or one that blocks, whichever way the other side runs the function."""
        target = Target(real, module, name, self)
        # In a process of one service its own code sees no stub; tests, which nobody owns, see all of a loopback.
        is_at_home = self._is_at_home if self.config.is_loopback else lambda frame, service: False
        return self._stub(target, awaited, lambda frame: is_at_home(frame, target.service))

    def make_method_stub(self, method: Method, module: str, qualname: str) -> Any:
        """Make the stub that a class of another service holds in place of a method."""
        target = Target(method.function, module, qualname, self, method.receiver)
        awaited = inspect.iscoroutinefunction(inspect.unwrap(method.function))
        stub = self._stub(target, awaited, lambda frame: self._is_at_home(frame, target.service))
        stub.__splitcost_stub__ = True
        return stub

    def _stub(self, target: Target, awaited: bool, is_at_home: Callable[[FrameType], bool]) -> Any:
        """Make a stub; ``is_at_home`` returns if a call from a frame is to run in this process."""
        real = target.real
        invoke, invoke_async = self._call, self._call_async

        if not awaited:

            @functools.wraps(real)
            def stub(*args: Any, **kwargs: Any) -> Any:
                context = current.get()
                frame = sys._getframe(1)
                if context is None or is_at_home(frame):
                    return real(*args, **kwargs)
                return invoke(target, args, kwargs, frame, context)

            return stub

        if sys.version_info >= (3, 12):
            # A plain function, so that the frame of whoever calls is at hand even if a task awaits later.
            @inspect.markcoroutinefunction
            @functools.wraps(real)
            def async_stub(*args: Any, **kwargs: Any) -> Any:
                context = current.get()
                frame = sys._getframe(1)
                if context is None or is_at_home(frame):
                    return real(*args, **kwargs)
                return invoke_async(target, args, kwargs, frame, context)

            return async_stub

        @functools.wraps(real)
        async def awaited_stub(*args: Any, **kwargs: Any) -> Any:
            context = current.get()
            frame = sys._getframe(1)
            if context is None or is_at_home(frame):
                return await real(*args, **kwargs)
            return await invoke_async(target, args, kwargs, frame, context)

        return awaited_stub

    def _generator_stub(self, real: Any, module: str, name: str) -> Any:
        """A generator function runs in the caller, and is listed: its values cannot be sent one by one."""
        target = Target(real, module, name, self)

        def note(frame: FrameType) -> None:
            is_at_home = self.config.is_loopback and self._is_at_home(frame, target.service)
            if current.get() is not None and not is_at_home:
                refusal = CannotCross("result", codec.Obstacle.GENERATOR, "generator")
                self._note(target, refusal, frame)

        if inspect.isgeneratorfunction(real):

            @functools.wraps(real)
            def stub(*args: Any, **kwargs: Any) -> Any:
                note(sys._getframe(1))
                return (yield from real(*args, **kwargs))

            return stub

        if not inspect.isasyncgenfunction(
            real
        ):  # `@contextmanager` and the like: it makes the generator inside.

            @functools.wraps(real)
            def wrapped_stub(*args: Any, **kwargs: Any) -> Any:
                note(sys._getframe(1))
                return real(*args, **kwargs)

            return wrapped_stub

        @functools.wraps(real)
        async def async_stub(*args: Any, **kwargs: Any) -> Any:
            note(sys._getframe(1))
            generator = real(*args, **kwargs)
            step = generator.__anext__()
            while True:
                try:
                    value = await step
                except StopAsyncIteration:
                    return
                try:
                    sent = yield value
                except GeneratorExit:
                    await generator.aclose()
                    raise
                except BaseException as error:
                    step = generator.athrow(error)
                else:
                    step = generator.asend(sent)

        return async_stub

    def address_of(self, service: str) -> str:
        """Return the address at which this process calls a service."""
        link = self.config.links.get(service)
        if link is not None:
            return link
        return f"127.0.0.1:{self.config.services[service].rpc_port}"

    # --- a call

    def _call(self, target: Target, args: Any, kwargs: Any, frame: FrameType, context: Context) -> Any:
        if target.is_local:
            return target.real(*args, **kwargs)
        blocking = _running_loop() is not None
        call = self._prepare(target, args, kwargs, frame, context, blocking)
        if call is None:
            return target.real(*args, **kwargs)
        retry = 0
        while True:
            try:
                answer = self.stack.call(target.address, call.line, call.body, call.remaining)
                break
            except BaseException as error:
                self._count(call, None, blocking)
                retry += 1
                if not self._may_retry(call, retry, error):
                    self._translate(call, error)
            time.sleep(self._policy.wait_secs(retry))
        return self._finish(call, answer, blocking)

    async def _call_async(
        self, target: Target, args: Any, kwargs: Any, frame: FrameType, context: Context
    ) -> Any:
        if target.is_local:
            return await target.real(*args, **kwargs)
        call = self._prepare(target, args, kwargs, frame, context, False)
        if call is None:
            return await target.real(*args, **kwargs)
        retry = 0
        while True:
            try:
                answer = await self.stack.call_async(target.address, call.line, call.body, call.remaining)
                break
            except BaseException as error:
                self._count(call, None, False)
                retry += 1
                if not self._may_retry(call, retry, error):
                    self._translate(call, error)
            await asyncio.sleep(self._policy.wait_secs(retry))
        return self._finish(call, answer, False)

    def _prepare(
        self, target: Target, args: Any, kwargs: Any, frame: FrameType, context: Context, blocking: bool
    ) -> OutgoingCall | None:
        """Do everything before the call is sent. ``None`` stands for a call that runs in this process."""
        if target.service + BLOCKED in context.chain:
            raise ReentrantCall(target.shown, " → ".join((*context.chain, target.service)))
        call = OutgoingCall()
        try:
            call.body = codec.encode([target.sent(args), kwargs])
        except CannotCross as error:
            # Without a recording a loopback takes the methods of values for those of service objects.
            is_nameless = target.receiver is not None and error.path == NAMELESS
            if not (self.config.is_loopback and is_nameless):
                error.path = _argument_path(target.real, error.path)
                self._note(target, error, frame)
            return None
        if self.config.is_loopback:
            named = {_argument_path(target.real, f"[0][{index}]"): value for index, value in enumerate(args)}
            named |= {f"arguments.{name}": value for name, value in kwargs.items()}
            self._note_rows(target, named, frame)
        remaining = self._policy.timeout_secs
        if context.deadline is not None:
            remaining = min(remaining, context.deadline - time.monotonic())
            if remaining <= 0:
                raise DeadlineExceeded(target.service, target.shown, self._policy.timeout_secs * 1000)
        chain = context.chain[:-1] + self._blocked_self if blocking else context.chain
        call.target, call.args, call.kwargs, call.frame = target, args, kwargs, frame
        call.caller = self._app_module(frame) or self.site(frame).caller
        call.remaining = remaining
        call.request = context.request
        self._budgets[target.service].earn()
        self._attempt(call, first=True)
        call.line = format_metadata(
            self.config.token, target.wire_name, self.config.service, remaining, context.request, chain
        )
        return call

    def _finish(self, call: OutgoingCall, answer: stacks.Answer, blocking: bool) -> Any:
        """Do everything after the answer came: return the result, or raise what the other side reports."""
        target, body = call.target, answer.body
        self._count(call, answer, blocking)
        if answer.status != stacks.Status.OK:
            raise ServiceRefused(target.service, body[:500].decode("utf-8", "replace"))
        kind, rest = body[:1], memoryview(body)[1:]
        if kind in (RESULT, KEPT):
            result = codec.decode(rest)
            if kind == KEPT:
                lost = CannotCross("result", Obstacle.IDENTITY, codec.name_of(type(result)))
                self._note(target, lost, call.frame)
            if self.config.is_loopback:
                self._note_rows(target, {"result": result}, call.frame)
            return result
        if kind == RAISED:
            error = _exception(bytes(rest), target.service)
            if self.config.is_loopback and (reason := _loss(error)) is not None:
                self._note(target, CannotCross(_type_name(error), reason, ""), call.frame)
            raise error
        changed = b""
        if kind == MUTATED:
            changed_path, _, changed = bytes(rest).partition(b"\n")
            path, reason, kind_name = _argument_path(target.real, changed_path.decode()), Obstacle.MUTATED, ""
        elif kind == CANNOT_CROSS:
            path, reason, kind_name = _obstacle(rest)
            path = "result" + path
        else:
            raise DecodeError(f"service {target.service} answered neither a result nor an exception")
        # From the first such answer on this function stays here. This call has had its effect there, and is
        # not made again. In a loopback each call is tried, so that all tests and requests get the same.
        obstacle = CannotCross(path, reason, kind_name)
        target.is_local = not self.config.is_loopback
        self._note(target, obstacle, call.frame)
        if changed:
            args, kwargs, result = codec.decode(changed)
        elif isinstance(answer, LoopbackAnswer):
            args, kwargs, result = answer.args, answer.kwargs, answer.result
            self._note_rows(target, {"result": result}, call.frame)
        else:
            raise obstacle
        if kind != MUTATED:
            return result
        own = 0 if target.receiver is None else 1  # What a method is called on went by its name.
        _write_back(call.args[own:], args[own:])
        _write_back(call.kwargs.values(), kwargs.values())
        return result

    def _may_retry(self, call: OutgoingCall, retry: int, error: BaseException) -> bool:
        """Return if an attempt without an answer is made again, as retry ``retry``, and count that one."""
        if retry > self._policy.retries or not isinstance(error, TimeoutError | stacks.Unreachable):
            return False
        if not self._budgets[call.target.service].spend():
            return False
        self._attempt(call, first=False)
        return True

    def _attempt(self, call: OutgoingCall, *, first: bool) -> None:
        if self.faults.is_on():
            self.report.attempt(endpoint_of(call.request), first=first)

    def _translate(self, call: OutgoingCall, error: BaseException) -> None:
        target = call.target
        if isinstance(error, TimeoutError):
            raise DeadlineExceeded(target.service, target.shown, call.remaining * 1000) from error
        if isinstance(error, stacks.Unreachable):
            raise ServiceUnavailable(target.service, str(error)) from error
        raise error

    # --- what is counted

    def _count(self, call: OutgoingCall, answer: stacks.Answer | None, blocking: bool) -> None:
        """Count an attempt; without an answer it failed on the way."""
        sent = Sent(endpoint_of(call.request), call.caller, call.target.shown, call.target.is_cached)
        size = len(call.body) + (len(answer.body) if answer else 0)
        good = answer is not None and answer.status == stacks.Status.OK and answer.body[:1] in (RESULT, KEPT)
        self.report.call(sent, size, blocking=blocking, answered=answer is not None, failed=not good)

    def _note(self, target: Target, error: CannotCross, frame: FrameType | None) -> None:
        caller, file, line = self.site(frame)
        error.callee, error.file, error.line = target.shown, file or None, line or None
        refusal = Refusal(caller, target.shown, error.reason, error.type, file, line)
        context = current.get()
        self.report.refusal(refusal, error.path.lstrip("."), endpoint_of(context.request) if context else "")

    def _note_rows(self, target: Target, values: dict[str, Any], frame: FrameType | None) -> None:
        """Count the rows of a database mapper among values that cross, lists of them included."""
        for path, value in values.items():
            row = value[0] if type(value) in (list, tuple) and value else value
            if hasattr(type(row), "_sa_class_manager"):
                self._note(target, CannotCross(path, Obstacle.ROW, codec.name_of(type(row))), frame)

    def site(self, frame: FrameType | None) -> Site:
        """Return the nearest place in the app's code from which this frame was called."""
        for _ in range(MAX_FRAMES):
            if frame is None:
                break
            caller = self._app_module(frame)
            if caller is not None:
                return Site(caller, frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return handed_by.site or NOWHERE

    def _is_at_home(self, frame: FrameType | None, service: str) -> bool:
        """Return if the nearest code of the app above a call is the service's own, or if a framework calls."""
        for _ in range(MAX_FRAMES):
            if frame is None:
                break
            owner = self._owner_of(_module_name(frame.f_globals))
            if owner is not None:
                return owner == service
            frame = frame.f_back
        return handed_by.site is None or self._owner_of(handed_by.site.caller) == service

    def _owner_of(self, module: str) -> str | None:
        try:
            return self._owners[module]
        except KeyError:
            owner = self._owners[module] = self.config.owner(module)
            return owner

    def _app_module(self, frame: FrameType) -> str | None:
        """The boundary module a frame runs in; ``None`` for code that is not the app's."""
        name = _module_name(frame.f_globals)
        code = name, frame.f_code.co_qualname
        try:
            return self._callers[code]
        except KeyError:
            found = self.config.boundary(*code, frame.f_globals) if self.config.owner(name) else None
            self._callers[code] = found
            return found

    # --- calls from other services

    def open(self, listener: socket.socket | None = None) -> None:
        """Answer calls and questions for the report from here on, once in each process.

        Calls are answered in the event loop that runs, so that coroutine functions find what belongs to it. Where
        none runs, as under WSGI, a thread has a loop for them. The processes of a service share its port.
        """
        with self._opening:
            if self._open_in == os.getpid():
                return
            self._open_in = os.getpid()
        self.report.open()
        if self.config.is_loopback:
            return
        if listener is None:
            listener = shared_listener(self.config.services[self.config.service].rpc_port)
        serving = self.stack.serve(listener, self.server.answer)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            name = "splitcost-serve"
            threading.Thread(target=_serve_apart, args=(serving,), name=name, daemon=True).start()
        else:
            self._serving = loop.create_task(serving, context=contextvars.Context())


def _serve_apart(serving: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=usual_loop()) as runner:
        runner.run(serving)


def _module_name(namespace: dict[str, Any]) -> str:
    """Return a module's dotted name by its globals, also where it runs as the main program."""
    name: str = namespace.get("__name__", "")
    spec = namespace.get("__spec__") if name == "__main__" else None
    return name if spec is None else str(spec.name)


def _write_back(mine: Iterable[Any], theirs: Iterable[Any]) -> None:
    """Give arguments the contents that they had when the callee was done."""
    for old, new in zip(mine, theirs, strict=True):
        if isinstance(old, list | deque | bytearray):
            old.clear()
            old.extend(new)
        elif isinstance(old, dict | set):
            old.clear()
            old.update(new)
        elif hasattr(old, "__dict__"):
            # Not SQLAlchemy's record of which session a row belongs to.
            fields = {name: value for name, value in vars(new).items() if not name.startswith("_sa_")}
            vars(old).update(fields)


_ROOT = re.compile(r"\[0\]\[(\d+)\]|\[0\]|\[1\]")


def _argument_path(function: Any, path: str) -> str:
    """``[0][1].total`` of a message as ``arguments.lines.total``: by the function's own parameter names."""
    match = _ROOT.match(path)
    if match is None:
        return "arguments" + path
    rest = path[match.end() :]
    if match[1] is None:
        return "arguments" + rest
    index = int(match[1])
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return f"arguments[{index}]{rest}"
    for position, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"arguments.{parameter.name}[{index - position}]{rest}"
        if position == index:
            return f"arguments.{parameter.name}{rest}"
    return f"arguments[{index}]{rest}"


def _obstacle(data: memoryview) -> tuple[str, Obstacle, str]:
    """Path, reason and type of a result that cannot cross, as the other side describes it."""
    path, reason, kind_name = orjson.loads(data)
    try:
        return path, Obstacle(reason), kind_name
    except ValueError as error:
        raise DecodeError(f"malformed answer: {error}") from error


def _loss(error: BaseException) -> Obstacle | None:
    """Return what made a call raise in a loopback that would not have raised without it, as far as it shows."""
    text = str(error)
    if isinstance(error, RuntimeError) and text.startswith("Working outside of "):
        return Obstacle.STATE  # Flask's
    if not isinstance(error, RemoteError):
        return None
    return Obstacle.STATE if error.args[1].startswith("<ContextVar ") else Obstacle.EXCEPTION


def _type_name(error: BaseException) -> str:
    return error.type_name if isinstance(error, RemoteError) else codec.name_of(type(error))


def _exception(data: bytes, service: str) -> BaseException:
    description, _, encoded = data.partition(b"\n")
    type_name, message, origin, frames = orjson.loads(description)
    error: BaseException
    try:
        error = codec.decode(encoded) if encoded else RemoteError(type_name, message)
    except DecodeError:
        error = RemoteError(type_name, message)
    if not isinstance(error, BaseException):
        raise DecodeError(f"service {service} answered something else where an exception was announced")
    error.add_note(f"raised in service {origin}:\n{frames}")
    return error

"""The calling side: stubs in place of the functions of other services, and the way of a call through them."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType
from typing import Any

from splitcost import codec, stacks
from splitcost.codec import Obstacle
from splitcost.rehearsal.answers import (
    argument_path,
    is_result,
    loss,
    obstacle,
    raised_exception,
    refusal,
    type_name,
)
from splitcost.rehearsal.call import OutgoingCall, Target
from splitcost.rehearsal.config import Config
from splitcost.rehearsal.context import (
    AT_PORT,
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
    MessageTooLarge,
    ObjectGone,
    ReentrantCall,
    ServiceUnavailable,
    UnreadableAnswer,
)
from splitcost.rehearsal.faults import Faults
from splitcost.rehearsal.functions import Found, become_stub, copy_of, is_stub
from splitcost.rehearsal.kept import FIELD_ACCESS, Batch, Opened
from splitcost.rehearsal.live import Exchange, Handle, Live, Shell, handle_of
from splitcost.rehearsal.objects import Names, UnknownName
from splitcost.rehearsal.policy import Budget
from splitcost.rehearsal.remote import (
    AsyncRemoteContext,
    Entered,
    Items,
    RemoteContext,
    iterate,
    iterate_async,
    makes_context,
)
from splitcost.rehearsal.report import Refusal, Report, Sent
from splitcost.rehearsal.resources import Resources
from splitcost.rehearsal.server import (
    CANNOT_CROSS,
    CHANGED,
    COMMITTED,
    ENTERED,
    ITEMS,
    KEPT,
    LENGTH_BYTES,
    RAISED,
    RESULT,
    UNKNOWN_NAME,
    LoopbackAnswer,
    Server,
    with_body,
)
from splitcost.stacks.harness import usual_loop
from splitcost.stacks.service import shared_listener

NOWHERE = Site("(framework)", "", 0)
"""The caller if no code of the app is on the stack: a dependency that the framework calls."""

MAX_FRAMES = 40
"""Frames that are searched for a caller. Chosen: libraries between two modules of an app have fewer."""

_running_loop = asyncio._get_running_loop


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

    async def serve(self, listeners: Sequence[socket.socket], answerer: stacks.Answerer) -> None:
        """Do nothing: nobody else calls."""


class Runtime:
    """One service's part of a rehearsal: stubs, server and report, sharing one stack."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.report = Report(config.service, config.reports)
        self.faults = Faults(config.faults)
        self.names = Names(config)
        self.resources = Resources(config, self.names)
        self.live = Live(config, self.names, self._use, self.resources)
        self.server = Server(config, self.faults, self.report, self.live, self._forward)
        self.stack = LoopbackCarrier(self.server) if config.is_loopback else stacks.load(config.stack)
        self._opening = threading.Lock()
        self._open_in = 0  # The process that answers calls; it may have forked since.
        self._serving: asyncio.Task[None] | None = None
        self._policy = config.policy
        # A loopback keeps things for itself, in its one process, which is no service.
        self._budgets = {service: Budget(config.policy) for service in {*config.services, config.service}}
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
        real = real.__wrapped__ if is_stub(real) else real
        return self.stub_of(real, module, name, awaited=inspect.iscoroutinefunction(inspect.unwrap(real)))

    def stub_of(self, real: Any, module: str, name: str, *, awaited: bool) -> Any:
        """Make a stub that is awaited or one that blocks, whichever way the other side runs the function."""
        target = Target(real, module, name, self)
        # In a process of one service its own code sees no stub; tests, which nobody owns, see all of a loopback.
        # What a framework calls crosses only where nothing has to be adapted.
        is_adapted = not self.config.adapted.isdisjoint((target.shown, f"{module}:{name}"))
        if self.config.is_loopback or is_adapted or _makes_iterator(real):
            return self._any_stub(target, awaited, lambda frame: self._is_at_home(frame, target.service))
        return self._any_stub(target, awaited, lambda frame: False)

    def replace(self, found: Found, module: str) -> None:
        """Make a function of another service its own stub."""
        real = copy_of(found.function)
        target = Target(real, module, found.name, self, found.receiver)
        awaited = inspect.iscoroutinefunction(inspect.unwrap(real))
        stub = self._any_stub(target, awaited, lambda frame: self._is_at_home(frame, target.service), depth=2)
        become_stub(found.function, real, stub)

    def _any_stub(
        self, target: Target, awaited: bool, is_at_home: Callable[[FrameType], bool], depth: int = 1
    ) -> Any:
        """Make a stub; ``is_at_home`` returns if a call from a frame is to run in this process.

        That frame is ``depth`` above the stub, for one that runs when it is called.
        """
        if inspect.isgeneratorfunction(target.real):
            stub = self._generator_stub(target, is_at_home)
        elif inspect.isasyncgenfunction(target.real):
            stub = self._async_generator_stub(target, is_at_home)
        elif (is_async := makes_context(target.real)) is not None:
            stub = self._context_stub(target, is_async, is_at_home, depth)
        else:
            stub = self._stub(target, awaited, is_at_home, depth)
        stub.__splitcost_stub__ = stub
        return stub

    def _stub(
        self, target: Target, awaited: bool, is_at_home: Callable[[FrameType], bool], depth: int
    ) -> Any:
        """Make the stub of a plain function or a coroutine function."""
        real = target.real
        invoke, invoke_async = self._call, self._call_async

        if not awaited:

            @functools.wraps(real)
            def stub(*args: Any, **kwargs: Any) -> Any:
                context = current.get()
                frame = sys._getframe(depth)
                if context is None or is_at_home(frame):
                    return real(*args, **kwargs)
                return invoke(target, args, kwargs, frame, context)

            return stub

        # A function that became its stub is a coroutine function still.
        if sys.version_info >= (3, 12) or depth > 1:
            # A plain function, so that the frame of whoever calls is at hand even if a task awaits later.
            @functools.wraps(real)
            def async_stub(*args: Any, **kwargs: Any) -> Any:
                context = current.get()
                frame = sys._getframe(depth)
                if context is None or is_at_home(frame):
                    return real(*args, **kwargs)
                return invoke_async(target, args, kwargs, frame, context)

            if sys.version_info >= (3, 12):
                inspect.markcoroutinefunction(async_stub)
            return async_stub

        @functools.wraps(real)
        async def awaited_stub(*args: Any, **kwargs: Any) -> Any:
            context = current.get()
            frame = sys._getframe(1)
            if context is None or is_at_home(frame):
                return await real(*args, **kwargs)
            return await invoke_async(target, args, kwargs, frame, context)

        return awaited_stub

    def _generator_stub(self, target: Target, is_at_home: Callable[[FrameType], bool]) -> Any:
        """Make the stub of a generator function: its items come in batches."""
        real = target.real

        @functools.wraps(real)
        def stub(*args: Any, **kwargs: Any) -> Any:
            context = current.get()
            frame = sys._getframe(1)
            if context is None or is_at_home(frame):
                return (yield from real(*args, **kwargs))
            return (yield from self._call(target, args, kwargs, frame, context))

        return stub

    def _async_generator_stub(self, target: Target, is_at_home: Callable[[FrameType], bool]) -> Any:
        """Make the stub of an asynchronous generator function."""
        real = target.real

        @functools.wraps(real)
        async def stub(*args: Any, **kwargs: Any) -> Any:
            context = current.get()
            frame = sys._getframe(1)
            if context is None or is_at_home(frame):
                generator = real(*args, **kwargs)
            else:
                generator = await self._call_async(target, args, kwargs, frame, context)
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

        return stub

    def _context_stub(
        self, target: Target, is_async: bool, is_at_home: Callable[[FrameType], bool], depth: int
    ) -> Any:
        """Make the stub of a function that makes a context manager of a generator."""
        real = target.real

        @functools.wraps(real)
        def stub(*args: Any, **kwargs: Any) -> Any:
            context = current.get()
            frame = sys._getframe(depth)
            # A transaction there would not be the caller's. Elsewhere the recording shows it.
            given = self.config.is_loopback and any(
                map(self.resources.holds_transaction, (*args, *kwargs.values()))
            )
            if context is None or target.is_local or given or is_at_home(frame):
                if context is not None and (target.is_local or given):
                    reason = target.lost or CannotCross("result", Obstacle.GENERATOR, "context manager")
                    self._note(target, reason, frame)
                return real(*args, **kwargs)
            lose = functools.partial(self._lose, target, frame)
            if is_async:
                call_async = functools.partial(self._call_async, target, args, kwargs, frame, context)
                return AsyncRemoteContext(call_async, self._use_async, lose)
            call = functools.partial(self._call, target, args, kwargs, frame, context)
            return RemoteContext(call, self._use, lose)

        return stub

    def address_of(self, service: str) -> str:
        """Return the address at which this process calls a service; in a loopback it is all of them, and has none."""
        if self.config.is_loopback:
            return ""
        link = self.config.links.get(service)
        if link is not None:
            return link
        return f"127.0.0.1:{self.config.services[service].rpc_port}"

    async def _forward(self, port: int, line: str, body: bytes, remaining: float) -> stacks.Answer:
        """Let another process of this service answer a call."""
        return await self.stack.call_async(f"127.0.0.1:{port}", line, body, remaining)

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
                answer = self.stack.call(call.address, call.line, call.body, call.remaining)
                break
            except BaseException as error:
                self._count(call, None, blocking)
                retry += 1
                if not self._may_retry(call, retry, error):
                    self._translate(call, error)
            time.sleep(self._policy.wait_secs(retry))
        if answer.body[:1] == UNKNOWN_NAME:
            self.names.forget(answer.body[1:].decode())
            return self._call(target, args, kwargs, frame, context)
        return self._finish(call, answer, blocking)

    async def _call_async(
        self, target: Target, args: Any, kwargs: Any, frame: FrameType, context: Context
    ) -> Any:
        if target.is_local:
            return await _here(target, args, kwargs)
        call = self._prepare(target, args, kwargs, frame, context, False)
        if call is None:
            return await _here(target, args, kwargs)
        retry = 0
        while True:
            try:
                answer = await self.stack.call_async(call.address, call.line, call.body, call.remaining)
                break
            except BaseException as error:
                self._count(call, None, False)
                retry += 1
                if not self._may_retry(call, retry, error):
                    self._translate(call, error)
            await asyncio.sleep(self._policy.wait_secs(retry))
        if answer.body[:1] == UNKNOWN_NAME:
            self.names.forget(answer.body[1:].decode())
            return await self._call_async(target, args, kwargs, frame, context)
        return self._finish(call, answer, False)

    def _prepare(
        self, target: Target, args: Any, kwargs: Any, frame: FrameType, context: Context, blocking: bool
    ) -> OutgoingCall | None:
        """Do everything before the call is sent. ``None`` stands for a call that runs in this process."""
        if target.service + BLOCKED in context.chain:
            raise ReentrantCall(target.shown, " → ".join((*context.chain, target.service)))
        if self.config.is_loopback and target.receiver and args and self.resources.is_mapped(args[0]):
            return None  # A row has its methods in every service. Elsewhere the recording shows that.
        call = OutgoingCall()
        try:
            call.exchange = self.live.exchange(context.request)
            call.exchange.callee = target.service
            transactions = self.resources.transactions
            if transactions.has_writes(transactions.name(context.request)) and not target.is_operation:
                self._cut(target, call.exchange)
            message: list[Any] = [target.sent(args), kwargs]
            if not target.is_operation:
                found = self.resources.context(call.exchange, self._uses_database(target, or_else=True))
                if found is not None:
                    message.append(found)
            call.body = codec.encode(message, call.exchange)
        except CannotCross as error:
            if error.path != "call":
                error.path = argument_path(target.real, error.path)
            self._note(target, error, frame)
            if target.is_operation:
                raise
            return None
        if len(call.body) > stacks.MAX_BODY_BYTES:
            detail = stacks.too_large("the arguments", len(call.body))
            raise MessageTooLarge(target.service, f"{target.shown}: {detail}")
        if self.config.is_loopback:
            named = {argument_path(target.real, f"[0][{index}]"): value for index, value in enumerate(args)}
            named |= {f"arguments.{name}": value for name, value in kwargs.items()}
            if not call.exchange.has_one_session:
                self._note_rows(target, named, frame)
        remaining = self._policy.timeout_secs
        if context.deadline is not None:
            remaining = min(remaining, context.deadline - time.monotonic())
            if remaining <= 0:
                raise DeadlineExceeded(target.service, target.shown, self._policy.timeout_secs * 1000)
        chain = context.chain[:-1] + self._blocked_self if blocking else context.chain
        call.target, call.args, call.kwargs, call.frame = target, args, kwargs, frame
        call.parts = None
        if target.makes_changes or (self.config.is_loopback and not target.is_operation):
            call.note_parts()
        call.address, function = self._way(target, args)
        call.caller = self._app_module(frame) or self.site(frame).caller
        call.remaining = remaining
        call.request = context.request
        self._budgets[target.service].earn()
        self._attempt(call, first=True)
        call.line = format_metadata(
            self.config.token, function, self.config.service, remaining, context.request, chain
        )
        return call

    def _way(self, target: Target, args: Any) -> tuple[str, str]:
        """Return a call's address, and its function's name in the message: the way to the process that has to answer.

        An emulated link leads to the port that the processes of a service share. The name says whose turn it is there.
        """
        handle: Handle | None = None
        if target.is_operation:
            handle = args[0]
        elif target.receiver is not None and args and isinstance(args[0], Shell):
            handle = handle_of(args[0])
        if handle is None or not handle.port:
            return target.address, target.wire_name
        if handle.service in self.config.links:
            return target.address, f"{target.wire_name}{AT_PORT}{handle.port}"
        return f"127.0.0.1:{handle.port}", target.wire_name

    def _cut(self, target: Target, exchange: Exchange) -> None:
        """Let a call that uses the database not cross: it would not see the caller's uncommitted writes.

        Raises :class:`CannotCross` if the function is known to use it.
        """
        if self._uses_database(target, or_else=False):
            raise CannotCross("call", Obstacle.UNCOMMITTED, "")
        exchange.is_cut = True
        exchange.cuts_rows = self.config.database_functions is None

    def _uses_database(self, target: Target, *, or_else: bool) -> bool:
        """Return if the recording shows statements below calls of a function, or else ``or_else`` without one."""
        known = self.config.database_functions
        if known is None:
            return or_else
        return not known.isdisjoint((target.shown, f"{target.module}:{target.name}"))

    def _finish(self, call: OutgoingCall, answer: stacks.Answer, blocking: bool) -> Any:
        """Do everything after the answer came: return the result, or raise what the other side reports."""
        if answer.status == stacks.Status.OK and answer.body[:1] == COMMITTED:
            function, _, rest_of_body = answer.body[1:].partition(b"\0")
            answer = with_body(answer, rest_of_body)
            self._committed(call, function.decode())
        target = call.target
        self._count(call, answer, blocking)
        if answer.status != stacks.Status.OK:
            raise refusal(target, answer)
        call.exchange.find_parts = call.find_parts
        try:
            value, raised = self._read(call, answer)
        except (ValueError, TypeError) as problem:  # Of any of the steps, as the bytes may be anything.
            raise UnreadableAnswer(target.service, str(problem)) from problem
        except UnknownName as unknown:
            value, raised = None, self._stay(call, CannotCross("result", Obstacle.LIVE, unknown.name))
        if raised is not None:
            raise raised
        return value

    def _read(self, call: OutgoingCall, answer: stacks.Answer) -> tuple[Any, BaseException | None]:
        """Return what a call returned or raised, after what it changed was changed here."""
        target, exchange, body = call.target, call.exchange, answer.body
        kind, rest = body[:1], memoryview(body)[1:]
        if kind == CHANGED:
            end = LENGTH_BYTES + int.from_bytes(rest[:LENGTH_BYTES])
            path = self._restore(call, rest[LENGTH_BYTES:end])
            kind, rest = bytes(rest[end : end + 1]), rest[end + 1 :]
            if self.config.is_loopback or not self.config.sends_back:
                self._stay(call, CannotCross(argument_path(target.real, path), Obstacle.MUTATED, ""))
        if kind in (RESULT, KEPT):
            result = codec.decode(rest, exchange)
            if kind == KEPT:
                lost = CannotCross("result", Obstacle.IDENTITY, codec.name_of(type(result)))
                self._note(target, lost, call.frame)
            if self.config.is_loopback and call.exchange.session is None:
                self._note_rows(target, {"result": result}, call.frame)
            return result, None
        if kind == RAISED:
            raised = raised_exception(bytes(rest))
            if self.config.is_loopback and (reason := loss(raised)) is not None:
                self._note(target, CannotCross(type_name(raised), reason, ""), call.frame)
            return None, raised
        if kind == ITEMS:
            items, handle, failure, is_async = codec.decode(rest, exchange)
            error = None if failure is None else raised_exception(failure.encode())
            batch = Items(items, None if handle is None else Handle(*handle), error)
            return self._iterated(target, batch, is_async), None
        if kind == ENTERED:
            value, handle = codec.decode(rest, exchange)
            return Entered(value, Handle(*handle)), None
        if kind != CANNOT_CROSS:
            raise DecodeError("it is neither a result nor an exception")
        path, reason, kind_name = obstacle(rest)
        path = path if path.startswith("result") else argument_path(target.real, path)
        # This call has had its effect there, and is not made again.
        refused = self._stay(call, CannotCross(path, reason, kind_name))
        if isinstance(answer, LoopbackAnswer):
            self._note_rows(target, {"result": answer.result}, call.frame)
            return self._as_it_is(target, answer.result, call.request), None
        return None, refused

    def _iterated(self, target: Target, batch: Items, is_async: bool) -> Any:
        """Return an iterator that begins with a batch, or the batch to one that asked for it."""
        if target.is_operation:
            return batch
        return iterate_async(batch, self._use_async) if is_async else iterate(batch, self._use)

    def _as_it_is(self, target: Target, result: Any, request: str) -> Any:
        """Return what a caller in a loopback gets of a result that cannot cross."""
        if isinstance(result, Batch):
            rest = None if result.rest is None else self.live.held.keep(result.rest, request)
            return self._iterated(target, Items(result.items, rest, result.error), result.is_async)
        if isinstance(result, Opened):
            return Entered(result.value, self.live.held.keep(result.manager, request))
        return result

    def _committed(self, call: OutgoingCall, function: str) -> None:
        """Note that a function of the callee's has committed a transaction of its own."""
        sessions = [value for value in call.exchange.resources if self.resources.holds_transaction(value)]
        if sessions or self.resources.has_transaction(call.request):
            self.report.transaction(endpoint_of(call.request), call.caller, function)
        for session in sessions:
            self.resources.expire(session)

    def _restore(self, call: OutgoingCall, changes: memoryview) -> str:
        """Give the caller's arguments what the callee changed in its own; returns the path to the first change."""
        exchange = call.exchange
        call.target.makes_changes = True
        try:
            count, changed, path = codec.decode(changes, exchange)
            if count != len(exchange.parts.values):
                raise DecodeError("the arguments have other parts at the other side")
        except DecodeError:
            if call.parts is not None:
                raise
            # Another call has changed them meanwhile. From the next one on the parts are those that were sent.
            self._note(call.target, CannotCross("arguments", Obstacle.MUTATED, ""), call.frame)
            return ""
        for number, *content in changed:
            exchange.parts.restore(number, *content)
        exchange.attach([exchange.parts.values[number] for number, *_ in changed])
        return str(path)

    def _stay(self, call: OutgoingCall, error: CannotCross) -> CannotCross:
        """Make calls of a function in this process from here on, and list the reason.

        In a loopback each call is tried, so that all tests and requests get the same.
        """
        call.target.is_local = not self.config.is_loopback
        self._note(call.target, error, call.frame)
        return error

    def _lose(self, target: Target, frame: FrameType, path: str) -> None:
        """Note that a context manager of another service changed what it gave; its calls stay here from then on."""
        target.is_local = not self.config.is_loopback
        target.lost = CannotCross("result" + path.removeprefix("[0]"), Obstacle.MUTATED, "")
        self._note(target, target.lost, frame)

    def _use(self, handle: Handle, operation: str, *args: Any) -> Any:
        """Use an object that stayed in another service: a crossing back."""
        context = current.get()
        if context is None or (context.request != handle.request and not handle.name):
            raise ObjectGone(handle.shown, "its request has ended")
        target = Target.of_operation(operation, handle, self)
        return self._call(target, (handle, *args), {}, sys._getframe(1), context)

    async def _use_async(self, handle: Handle, operation: str, *args: Any) -> Any:
        """Use an object that stayed in another service, from an event loop."""
        context = current.get()
        if context is None or (context.request != handle.request and not handle.name):
            raise ObjectGone(handle.shown, "its request has ended")
        target = Target.of_operation(operation, handle, self)
        return await self._call_async(target, (handle, *args), {}, sys._getframe(1), context)

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
            if call.address != self.address_of(target.service):
                raise ObjectGone(
                    target.shown, f"its process of service {target.service} has ended"
                ) from error
            raise ServiceUnavailable(target.service, str(error)) from error
        raise error

    # --- what is counted

    def _count(self, call: OutgoingCall, answer: stacks.Answer | None, blocking: bool) -> None:
        """Count an attempt; without an answer it failed on the way."""
        sent = Sent(endpoint_of(call.request), call.caller, call.target.shown, call.target.is_cached)
        size = len(call.body) + (len(answer.body) if answer else 0)
        if call.target.is_operation:
            if call.target.name in FIELD_ACCESS:
                self.report.use(sent.endpoint, sent.caller, sent.callee)
            return
        if (
            call.target.receiver is not None
            and isinstance(call.args[0], Shell)
            and not handle_of(call.args[0]).name
        ):
            self.report.use(sent.endpoint, sent.caller, handle_of(call.args[0]).shown)
        is_good = answer is not None and answer.status == stacks.Status.OK and is_result(answer.body)
        self.report.call(sent, size, blocking=blocking, answered=answer is not None, failed=not is_good)

    def _note(self, target: Target, error: CannotCross, frame: FrameType | None) -> None:
        caller, file, line = self.site(frame)
        error.callee, error.file, error.line = target.shown, file or None, line or None
        refused = Refusal(caller, target.shown, error.reason, error.type, file, line)
        context = current.get()
        self.report.refusal(refused, error.path.lstrip("."), endpoint_of(context.request) if context else "")

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
        owner = None if handed_by.site is None else self._owner_of(handed_by.site.caller)
        return owner is None or owner == service

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
        # At the second one this process alone answers: objects that it keeps for others are here.
        own = shared_listener(0)
        self.live.held.port = own.getsockname()[1]
        serving = self.stack.serve((listener, own), self.server.answer)
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


async def _here(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function in this process, and await what is to be awaited."""
    made = target.real(*args, **kwargs)
    return await made if inspect.isawaitable(made) else made


def _makes_iterator(real: Any) -> bool:
    innermost = inspect.unwrap(real)
    return inspect.isgeneratorfunction(innermost) or inspect.isasyncgenfunction(innermost)

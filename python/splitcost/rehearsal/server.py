"""The serving side: which functions may be called, and the form of answers. Stacks carry both unread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
import functools
import hmac
import inspect
import sys
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from splitcost import codec
from splitcost.rehearsal.config import Config
from splitcost.rehearsal.context import (
    AT_PORT,
    Context,
    Metadata,
    current,
    deadline_in,
    endpoint_of,
    parse_metadata,
)
from splitcost.rehearsal.errors import ObjectGone
from splitcost.rehearsal.faults import Faults
from splitcost.rehearsal.functions import LINE, LRU_CACHED, Receiver, find
from splitcost.rehearsal.kept import (
    ENDINGS,
    FUNCTIONS,
    OPERATIONS,
    Batch,
    Batches,
    Opened,
    goes_on,
    is_async_context,
    is_begun,
    is_made_by_contextlib,
)
from splitcost.rehearsal.live import Exchange, Live
from splitcost.rehearsal.objects import UnknownName
from splitcost.rehearsal.report import Report
from splitcost.rehearsal.resources import Scope, Wanted, web
from splitcost.stacks import MAX_BODY_BYTES, Answer, Status, Unreachable, too_large

RESULT, RAISED, CANNOT_CROSS, ITEMS, ENTERED = b"r", b"x", b"c", b"i", b"e"
UNKNOWN_NAME, CHANGED, COMMITTED, KEPT = b"n", b"m", b"t", b"k"
"""First byte of an answer: it says how to read the rest.

``UNKNOWN_NAME`` means that nothing was done. After ``CHANGED`` come the length and encoding of what the callee changed
in its arguments, and then the answer. ``COMMITTED``, a function's name and a zero come before it all, where that
function committed a transaction of its own. ``KEPT`` is a result that the callee has returned before, in a loopback.
"""

LENGTH_BYTES = 8
"""Size of that length, big-endian."""

POOL_THREADS = 40
"""Threads that run plain functions. Chosen: as many as Starlette gives `def` routes."""

FIRST_CALLS, THEN_ONE_IN = 20, 256
"""Calls after which arguments are encoded again, to see changes: the first so many, then one in so many.

Chosen: a function that changes its arguments does so in its first calls, nearly always.
"""


class Served:
    """A function that this service owns, looked up once."""

    __slots__ = ("calls", "changes", "function", "is_async", "last", "receiver", "shown", "uses_database")

    def __init__(self, function: Callable[..., Any], shown: str, receiver: Receiver | None = None) -> None:
        self.function = function
        #: Its name in reports; empty for an operation of ours on something that is kept here.
        self.shown = shown
        self.receiver = receiver
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        self.calls = 0
        #: A call of it has changed its arguments.
        self.changes = False
        #: It may execute statements.
        self.uses_database = False
        #: The last result, in a loopback.
        self.last: Any = None


class _Received:
    """A call that was read."""

    __slots__ = (
        "args",
        "body",
        "context",
        "exchange",
        "kwargs",
        "metadata",
        "parts",
        "scope",
        "served",
        "wanted",
    )

    def __init__(
        self, served: Served, metadata: Metadata, body: bytes | memoryview, exchange: Exchange, scope: Scope
    ) -> None:
        self.served = served
        self.metadata = metadata
        self.body = body
        self.exchange = exchange
        self.scope = exchange.scope = scope
        self.args: list[Any] = []
        self.kwargs: dict[str, Any] = {}
        #: The parts of the arguments, where it is looked at if the function changes them.
        self.parts: codec.Parts | None = None
        #: A resource without which the arguments cannot be decoded.
        self.wanted: Wanted | None = None
        #: The caller's request and transactions, where a framework has its code find them.
        self.context: dict[str, Any] = {}


class _Elsewhere(NamedTuple):
    """A call that another process of this service has to answer, at its own port."""

    port: int
    #: The seconds that are left for the answer.
    remaining: float


class LoopbackAnswer(Answer):
    """An answer in a loopback, with the values of a call that cannot cross: the caller gets them as they are."""

    result: Any


def with_body(answer: Answer, body: bytes) -> Answer:
    """Return the same answer with another body."""
    changed = answer._replace(body=body)
    if isinstance(changed, LoopbackAnswer) and isinstance(answer, LoopbackAnswer):
        changed.result = answer.result
    return changed


class Server:
    """Answers calls for the functions of the modules this service owns."""

    def __init__(
        self,
        config: Config,
        faults: Faults,
        report: Report,
        live: Live,
        forward: Callable[[int, str, bytes, float], Awaitable[Answer]],
    ) -> None:
        self._config = config
        self._live = live
        self._report = report
        self._faults = faults
        self._forward = forward
        self._token = config.token.encode()
        self._served: dict[str, Served] = {}
        #: Makes what a framework wants around code that runs in no request of its own, of the caller's request.
        self.around: Callable[[Any], AbstractContextManager[Any]] = contextlib.nullcontext
        self._pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="splitcost-call")
        # Called back while a thread of the pool above waits for it: it must not wait for that thread.
        self._reentrant_pool = ThreadPoolExecutor(1024, thread_name_prefix="splitcost-callback")

    async def answer(self, line: str, body: bytes | memoryview) -> Answer:
        """Answer one call: the metadata line and the encoded arguments."""
        call = self._receive(line, body)
        if isinstance(call, Answer):
            return call
        if isinstance(call, _Elsewhere):
            return await self._answer_elsewhere(call, line, body)
        try:
            result = await self._run(call)
        except _Raised as raised:
            return self._raised(call, raised.error)
        except (Exception, SystemExit) as error:
            return self._raised(call, error)
        if not isinstance(result, Answer):
            return await self._answered(call, result)
        if not call.scope.goes_on:  # What is awaited is left.
            await call.scope.end_async(None)
        return result

    def answer_here(self, line: str, body: bytes | memoryview) -> Answer:
        """Answer one call of a plain function on this thread, as a loopback does."""
        call = self._receive(line, body)
        if isinstance(call, Answer):
            return call
        assert isinstance(call, _Received), "a loopback has one process"
        token = current.set(self._context(call))
        try:
            result = self._call(call)
            if isinstance(result, Batches):
                result = self._pull(call, result)
        except (Exception, SystemExit) as error:
            return self._raised(call, error)
        finally:
            current.reset(token)
        return result if isinstance(result, Answer) else self._returned(call, result)

    def follow_flask(self, context: contextvars.Context) -> None:
        """Give a call in this context the app of Flask's that runs here, and the request of its caller."""
        flask = sys.modules.get("flask")
        if flask is None or not flask.has_app_context():
            return
        if "flask_sqlalchemy" in sys.modules and version("flask-sqlalchemy").startswith(("1.", "2.")):
            # Its session is the thread's, thus the caller's too, and ends with any context of the app.
            for name in ("_cv_app", "_cv_request"):
                variable = getattr(flask.globals, name, None)
                if variable is not None and (own := variable.get(None)) is not None:
                    context.run(variable.set, own)
        else:
            self.around = functools.partial(web.flask_context, flask.current_app._get_current_object())

    async def _answer_elsewhere(self, call: _Elsewhere, line: str, body: bytes | memoryview) -> Answer:
        """Answer a call by the process that has to answer it."""
        try:
            return await self._forward(call.port, line, bytes(body), call.remaining)
        except (TimeoutError, Unreachable):
            gone = ObjectGone("what a call uses", f"its process of service {self._config.service} has ended")
            return Answer(Status.OK, RAISED + self._encode_exception(gone))

    def _receive(self, line: str, body: bytes | memoryview) -> _Received | _Elsewhere | Answer:
        """Read a call, and count it; or refuse it."""
        metadata = parse_metadata(line)
        if isinstance(metadata, str):
            return Answer(Status.INVALID, metadata.encode())
        if not hmac.compare_digest(metadata.token.encode(), self._token):
            return Answer(Status.UNAUTHENTICATED, b"the token is not this run's")
        function, _, port = metadata.function.partition(AT_PORT)
        if port.isdecimal() and int(port) != self._live.held.port:
            return _Elsewhere(int(port), metadata.remaining_micros / 1e6)
        served = self._served.get(function) or self._find(function)
        if isinstance(served, str):
            return Answer(Status.NOT_FOUND, served.encode())
        scope = Scope(self._live.resources, served.shown)
        call = _Received(served, metadata, body, self._live.exchange(metadata.request), scope)
        try:
            self._read(call)
        except Wanted as wanted:
            call.wanted = wanted
        except ObjectGone as error:
            self._report.answer(endpoint_of(metadata.request), served.shown)
            return Answer(Status.OK, RAISED + self._encode_exception(error))
        except UnknownName as error:
            return Answer(Status.OK, UNKNOWN_NAME + error.name.encode())
        except (codec.DecodeError, TypeError, ValueError) as error:
            return Answer(Status.INVALID, str(error).encode())
        if served.shown:
            served.calls += 1
            self._report.answer(endpoint_of(metadata.request), served.shown)
        if call.wanted is None:
            self._look_at(call)
        return call

    def _read(self, call: _Received) -> None:
        """Decode the arguments of a call. Raises :class:`Wanted` for a resource that is to be obtained first."""
        call.scope.rows.clear()
        args, kwargs, *more = codec.decode(call.body, call.exchange)
        if type(args) is not list or type(kwargs) is not dict:
            raise codec.DecodeError("arguments are a list and an object")
        if more:
            (call.context,) = more
        call.args, call.kwargs, call.wanted = args, kwargs, None

    def _look_at(self, call: _Received) -> None:
        """Look at the parts of the arguments where the function may change them."""
        served, args, kwargs, exchange = call.served, call.args, call.kwargs, call.exchange
        is_due = served.calls <= FIRST_CALLS or served.calls % THEN_ONE_IN == 0 or self._config.is_loopback
        is_copy = served.receiver is Receiver.INSTANCE and bool(args) and id(args[0]) not in exchange.foreign
        watch = served.shown and (is_due or is_copy or served.changes or call.scope.is_used)
        if watch and _can_change(args, kwargs, exchange.foreign):
            call.parts = codec.Parts([args, kwargs], exchange.foreign)

    def _read_wanted(self, call: _Received) -> None:
        """Obtain what the arguments want, on a thread that may wait, and decode them."""
        while call.wanted is not None:
            call.scope.obtain(call.wanted)
            try:
                self._read(call)
            except Wanted as wanted:
                call.wanted = wanted
            else:
                self._look_at(call)

    async def _read_wanted_async(self, call: _Received) -> None:
        while call.wanted is not None:
            await call.scope.obtain_async(call.wanted)
            try:
                self._read(call)
            except Wanted as wanted:
                call.wanted = wanted
            else:
                self._look_at(call)

    def _raised(self, call: _Received, error: BaseException) -> Answer:
        return self._with_changes(call, RAISED + self._encode_exception(error))

    async def _answered(self, call: _Received, result: Any) -> Answer:
        """Return the answer for a result, of which a first part may still be to come."""
        scope = call.scope
        try:
            result = self._begun(call, result)
            if isinstance(result, Batches):
                scope = result.scope
                if not result.is_async:
                    result = await self._in_pool(call, functools.partial(self._pull, call, result))
                    return result if isinstance(result, Answer) else self._returned(call, result)
                self._continue(call, scope)
                result = await result.pull_async()
            elif is_async_context(result):
                manager, result = result, Opened(await result.__aenter__(), result)
                manager.__splitcost_scope__ = scope
            if scope.is_used:
                return await self._finish_async(call, scope, result)
        except _Raised as raised:
            return self._raised(call, raised.error)
        except (Exception, SystemExit) as error:
            return await self._fail_async(call, scope, error)
        except BaseException as error:
            await scope.end_async(error)
            raise
        return self._returned(call, result)

    def _begun(self, call: _Received, result: Any) -> Any:
        """Return an iterator that a call made as batches."""
        if isinstance(result, types.GeneratorType | types.AsyncGeneratorType):
            return Batches(result, self._config.batch, call.scope)
        return result

    def _pull(self, call: _Received, batches: Batches) -> Any:
        """Take the next items of a plain generator, and encode them while its resources are there."""
        scope = batches.scope
        token = self._continue(call, scope)
        try:
            with self._within(call):
                batch = batches.pull()
                return self._finish(call, scope, batch) if scope.is_used else batch
        except BaseException as error:
            return self._fail(call, scope, error)
        finally:
            current.reset(token)

    def _continue(self, call: _Received, scope: Scope) -> Any:
        """Use the resources of the call that began something from here on."""
        call.scope = scope
        return current.set(self._context(call))

    # --- the end of a call that used resources

    def _finish(self, call: _Received, scope: Scope, result: Any) -> Answer:
        """Encode a result, and end the resources afterwards unless something goes on."""
        error = result.error if isinstance(result, Batch) else None
        if error is None:
            scope.flush()
        answer = self._encoded(call, scope, result)
        scope.goes_on = goes_on(result)
        if not scope.goes_on:
            scope.end(error)
        return self._said(scope, answer)

    async def _finish_async(self, call: _Received, scope: Scope, result: Any) -> Answer:
        error = result.error if isinstance(result, Batch) else None
        if error is None:
            await scope.run(scope.flush)
        answer: Answer = await scope.run(functools.partial(self._encoded, call, scope, result))
        scope.goes_on = goes_on(result)
        if not scope.goes_on:
            await scope.end_async(error)
        return self._said(scope, answer)

    def _encoded(self, call: _Received, scope: Scope, result: Any) -> Answer:
        scope.load(call.parts)
        return self._returned(call, result)

    def _fail(self, call: _Received, scope: Scope, error: BaseException) -> Answer:
        """Encode an exception, and end the resources."""
        if not scope.is_used or not isinstance(error, Exception | SystemExit):
            scope.end(error)
            raise error
        answer = self._raised(call, error)
        scope.end(error)
        return self._said(scope, answer)

    async def _fail_async(self, call: _Received, scope: Scope, error: BaseException) -> Answer:
        answer = self._raised(call, error)
        if scope.is_used:
            answer = await scope.run(functools.partial(self._raised, call, error))
            await scope.end_async(error)
        return self._said(scope, answer)

    def _said(self, scope: Scope, answer: Answer) -> Answer:
        """Say in an answer that a transaction was committed, once."""
        if not scope.commits:
            return answer
        scope.commits = 0
        return with_body(answer, b"".join((COMMITTED, scope.function.encode(), b"\0", answer.body)))

    def _returned(self, call: _Received, result: Any) -> Answer:
        exchange, held = call.exchange, self._live.held
        if call.parts is not None:
            exchange.name_parts(call.parts)
        request = call.metadata.request
        is_over = isinstance(result, Batch) and result.rest is None
        if not call.served.shown and (is_over or call.served.function in ENDINGS):
            held.drop(call.args[0], request)
        try:
            if isinstance(result, Batch):
                rest = None if result.rest is None else list(held.keep(result.rest, request))
                error = None if result.error is None else self._encode_exception(result.error).decode()
                body = ITEMS + codec.encode([result.items, rest, error, result.is_async], exchange)
            elif isinstance(result, Opened):
                manager = list(held.keep(result.manager, request))
                body = ENTERED + codec.encode([result.value, manager], exchange)
                # What goes by a name, or is handed over as it is, can lose no changes.
                result.manager.__splitcost_parts__ = codec.Parts([result.value], exchange.foreign)
            else:
                is_kept = self._config.is_loopback and _is_kept(call, result)
                body = (KEPT if is_kept else RESULT) + codec.encode(result, exchange)
        except codec.CannotCross as error:
            if inspect.iscoroutine(result) and not self._config.is_loopback:
                result.close()
            path = error.path.removeprefix("[0]") if isinstance(result, Batch | Opened) else error.path
            body = CANNOT_CROSS + orjson.dumps(["result" + path, error.reason, error.type])
            if self._config.is_loopback:
                answer = LoopbackAnswer(*self._with_changes(call, body))
                answer.result = result
                return answer
        return self._with_changes(call, body)

    def _with_changes(self, call: _Received, body: bytes) -> Answer:
        """Return an answer with the changes that the callee made to its arguments before it."""
        changed = [] if call.parts is None else call.parts.changed()
        if not changed:
            return _answer(body)
        assert call.parts is not None
        call.served.changes = True
        call.exchange.name_parts(call.parts)
        # What failed is rolled back: rows that it wrote are new still.
        is_rolled_back = body[:1] == RAISED
        contents = [[n, *(c._replace(origin=None) if is_rolled_back else c)] for n, c, _ in changed]
        message = [len(call.parts.values), contents, changed[0][2]]
        try:
            changes = codec.encode(message, call.exchange)
        except codec.CannotCross as error:
            return _answer(CANNOT_CROSS + orjson.dumps([changed[0][2], error.reason, error.type]))
        return _answer(CHANGED + len(changes).to_bytes(LENGTH_BYTES) + changes + body)

    def _context(self, call: _Received) -> Context:
        metadata = call.metadata
        deadline = deadline_in(metadata.remaining_micros / 1e6)
        return Context(metadata.request, deadline, (*metadata.chain, self._config.service), call.scope)

    async def _run(self, call: _Received) -> Any:
        served = call.served
        current.set(self._context(call))
        slowness = self._faults.slowness()
        if served.is_async:
            try:
                await self._read_wanted_async(call)
                self._live.resources.variables.set(call.context.get("variables", {}), on_thread=False)
                call.scope.attach(uses_database=served.uses_database)
                if slowness > 1.0:
                    return await _slow_async(slowness, served.function, call.args, call.kwargs)
                return await served.function(*call.args, **call.kwargs)
            except (Exception, SystemExit) as error:
                return await self._fail_async(call, call.scope, error)
            except BaseException as error:
                await call.scope.end_async(error)
                raise
        function = functools.partial(self._call, call)
        if slowness > 1.0:
            function = functools.partial(_slow, slowness, function)
        return await self._in_pool(call, function)

    async def _in_pool(self, call: _Received, function: Callable[[], Any]) -> Any:
        """Call a plain function on a thread."""
        again = self._config.service in call.metadata.chain
        pool = self._reentrant_pool if again else self._pool
        result, error = await asyncio.get_running_loop().run_in_executor(pool, _outcome, function)
        if error is not None:
            raise _Raised(error)
        return result

    @contextlib.contextmanager
    def _within(self, call: _Received) -> Iterator[None]:
        """Give a plain function the context of its caller: the variables of the app, and a request of a framework."""
        with (
            self.around(call.context.get("flask")),
            self._live.resources.variables.set(call.context.get("variables", {})),
        ):
            yield

    def _call(self, call: _Received) -> Any:
        """Call a plain function. The answer is returned if it is known already."""
        scope = call.scope
        with self._within(call):
            try:
                self._read_wanted(call)
                if "atomic" in call.context:
                    scope.begin(call.context["atomic"])
                scope.attach(uses_database=call.served.uses_database)
                result = call.served.function(*call.args, **call.kwargs)
                if isinstance(result, contextlib.AbstractContextManager) and is_made_by_contextlib(result):
                    manager, result = result, Opened(result.__enter__(), result)
                    manager.__splitcost_scope__ = scope  # type: ignore[attr-defined]
                result = self._begun(call, result)
                if scope.is_used and not is_begun(result):
                    return self._finish(call, scope, result)
                return result
            except BaseException as error:
                return self._fail(call, scope, error)

    def _find(self, name: str) -> Served | str:
        """Look up a function by name; a string is the reason why it cannot be called."""
        module_name, _, function_name = unquote(name).partition(":")
        qualname = function_name.partition(LINE)[0]
        if module_name == OPERATIONS and (operation := FUNCTIONS.get(qualname)) is not None:
            served = self._served[name] = Served(operation, "")
            return served
        if not self._config.serves(module_name):
            return f"{module_name} does not live in service {self._config.service}"
        module = sys.modules.get(module_name)
        if module is None:
            # Its own package's source, which the app simply did not import here yet.
            try:
                module = __import__(module_name, fromlist=["_"])
            except ImportError:
                return f"there is no module {module_name}"
        shown = f"{self._config.boundary(module_name)}:{qualname}"
        if function_name != qualname or "." in qualname:
            found = find(module, function_name) if self._config.is_remote(module_name, qualname) else None
            if found is None:
                return f"{module_name} has no function {function_name} that is called remotely"
            return self._keep(name, Served(found.function, shown, found.receiver), module_name)
        function = vars(module).get(qualname)
        if not isinstance(function, types.FunctionType | LRU_CACHED) or qualname.startswith("__"):
            return f"{module_name} has no function {qualname}"
        made_here = (module_name, qualname) == (function.__module__, function.__qualname__)
        if not made_here and "<" not in function.__qualname__:
            return f"{qualname} is not defined in {module_name}"
        return self._keep(name, Served(function, shown), module_name)

    def _keep(self, name: str, served: Served, module: str) -> Served:
        """Keep what was looked up, with what the recording says of it."""
        own = f"{module}:{served.shown.partition(':')[2]}"
        served.changes = not self._config.changing_functions.isdisjoint((served.shown, own))
        known = self._config.database_functions
        served.uses_database = known is None or not known.isdisjoint((served.shown, own))
        self._served[name] = served
        return served

    def _encode_exception(self, error: BaseException) -> bytes:
        """One line of JSON for people, then the exception itself if it can cross."""
        description = orjson.dumps(
            [codec.name_of(type(error)), _message(error), self._config.service, _frames(error)]
        )
        try:
            return description + b"\n" + codec.encode(error)
        except codec.CannotCross:
            return description + b"\n"


def _answer(body: bytes) -> Answer:
    if len(body) > MAX_BODY_BYTES:
        return Answer(Status.TOO_LARGE, too_large("the answer", len(body)).encode())
    return Answer(Status.OK, body)


class _Raised(Exception):
    """Carries what a plain function raised: a coroutine cannot raise a `StopIteration` itself."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return call(), None
    except (Exception, SystemExit) as error:
        return None, error


def _slow(slowness: float, call: Callable[[], Any]) -> Any:
    """Call a function and wait afterwards, so that it takes longer by this factor and computes the same."""
    began = time.monotonic()
    try:
        return call()
    finally:
        time.sleep((time.monotonic() - began) * (slowness - 1.0))


async def _slow_async(
    slowness: float, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> Any:
    began = time.monotonic()
    try:
        return await function(*args, **kwargs)
    finally:
        await asyncio.sleep((time.monotonic() - began) * (slowness - 1.0))


def _message(error: BaseException) -> str:
    try:
        return str(error).encode("utf-8", "replace").decode()
    except Exception:
        return "(its message cannot be made)"


def _frames(error: BaseException) -> str:
    """The traceback without source lines, which would cost more than the call."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != __file__:
            lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}')
        trace = trace.tb_next
    return "\n".join(lines)


_FIXED = frozenset({type(None), bool, int, float, str, bytes})


def _can_change(args: list[Any], kwargs: dict[str, Any], foreign: set[int]) -> bool:
    if _FIXED.issuperset(map(type, args)) and _FIXED.issuperset(map(type, kwargs.values())):
        return False
    return any(type(value) not in _FIXED and id(value) not in foreign for value in (*args, *kwargs.values()))


def _is_kept(call: _Received, result: Any) -> bool:
    """Return if a result that can be changed is the last call's result again."""
    last, call.served.last = call.served.last, result
    is_fields = hasattr(result, "__dict__") and not isinstance(result, type | enum.Enum)
    if not (is_fields or isinstance(result, list | dict | set | deque | bytearray)):
        return False
    return result is last

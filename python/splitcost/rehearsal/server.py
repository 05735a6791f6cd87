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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from splitcost import codec
from splitcost.rehearsal.config import Config
from splitcost.rehearsal.context import (
    Context,
    Metadata,
    current,
    deadline_in,
    endpoint_of,
    parse_metadata,
)
from splitcost.rehearsal.faults import Faults
from splitcost.rehearsal.objects import Names, Receiver, find_method
from splitcost.rehearsal.report import Report
from splitcost.stacks import Answer, Status

RESULT, RAISED, CANNOT_CROSS, MUTATED, KEPT = b"r", b"x", b"c", b"m", b"k"
"""First byte of an answer: it says how to read the rest."""

POOL_THREADS = 40
"""Threads that run plain functions. Chosen: as many as Starlette gives `def` routes."""

FIRST_CALLS, THEN_ONE_IN = 20, 256
"""Calls after which arguments are encoded again, to see changes: the first so many, then one in so many.

Chosen: a function that changes its arguments does so in its first calls, nearly always.
"""

LRU_CACHED = type(functools.lru_cache(len))


class Served:
    """A function that this service owns, looked up once."""

    __slots__ = ("calls", "function", "is_async", "last", "receiver", "shown")

    def __init__(self, function: Callable[..., Any], shown: str, receiver: Receiver | None = None) -> None:
        self.function = function
        self.shown = shown
        self.receiver = receiver
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        self.calls = 0
        #: The last result, in a loopback.
        self.last: Any = None


class _Received(NamedTuple):
    """A call that was read."""

    served: Served
    metadata: Metadata
    args: list[Any]
    kwargs: dict[str, Any]
    #: The arguments as the function gets them.
    given: list[Any]
    #: Their encoding, where it is looked at whether the function changes them.
    before: bytes


class LoopbackAnswer(Answer):
    """An answer in a loopback, with the values of a call that cannot cross: the caller gets them as they are."""

    args: list[Any]
    kwargs: dict[str, Any]
    result: Any


class Server:
    """Answers calls for the functions of the modules this service owns."""

    def __init__(self, config: Config, faults: Faults, report: Report, names: Names) -> None:
        self._config = config
        self._names = names
        self._report = report
        self._faults = faults
        self._token = config.token.encode()
        self._served: dict[str, Served] = {}
        #: Makes what a framework wants around code that runs in no request of its own.
        self.around: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
        self._pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="splitcost-call")
        # Called back while a thread of the pool above waits for it: it must not wait for that thread.
        self._reentrant_pool = ThreadPoolExecutor(1024, thread_name_prefix="splitcost-callback")

    async def answer(self, line: str, body: bytes | memoryview) -> Answer:
        """Answer one call: the metadata line and the encoded arguments."""
        call = self._receive(line, body)
        if isinstance(call, Answer):
            return call
        try:
            result = await self._run(call)
        except _Raised as raised:
            return self._raised(raised.error)
        except (Exception, SystemExit) as error:
            return self._raised(error)
        return self._returned(call, result)

    def answer_here(self, line: str, body: bytes | memoryview) -> Answer:
        """Answer one call of a plain function on this thread, as a loopback does."""
        call = self._receive(line, body)
        if isinstance(call, Answer):
            return call
        token = current.set(self._context(call))
        try:
            result = self._call(call.served.function, call.given, call.kwargs)
        except (Exception, SystemExit) as error:
            return self._raised(error)
        finally:
            current.reset(token)
        return self._returned(call, result)

    def follow_flask(self, context: contextvars.Context) -> None:
        """Give a call in this context the app of Flask's that runs here: its functions expect one in every process."""
        flask = sys.modules.get("flask")
        if flask is None or not flask.has_app_context():
            return
        mapper = sys.modules.get("flask_sqlalchemy")
        if mapper is not None and str(mapper.__version__).startswith(("1.", "2.")):
            # Its session is the thread's, thus the caller's too, and ends with any context of the app.
            variable = flask.globals._cv_app
            context.run(variable.set, variable.get())
        else:
            self.around = flask.current_app.app_context

    def _receive(self, line: str, body: bytes | memoryview) -> _Received | Answer:
        """Read a call, and count it; or refuse it."""
        metadata = parse_metadata(line)
        if metadata is None or not hmac.compare_digest(metadata.token.encode(), self._token):
            return Answer(Status.UNAUTHENTICATED, b"the token is not this run's")
        served = self._served.get(metadata.function) or self._find(metadata.function)
        if isinstance(served, str):
            return Answer(Status.NOT_FOUND, served.encode())
        try:
            args, kwargs = codec.decode(body)
            if type(args) is not list or type(kwargs) is not dict:
                raise codec.DecodeError("arguments are a list and an object")
            called_on = self._names.find(str(args[0]), served.receiver) if served.receiver and args else None
        except (codec.DecodeError, TypeError, ValueError) as error:
            return Answer(Status.INVALID, str(error).encode())
        served.calls += 1
        self._report.answer(endpoint_of(metadata.request), served.shown)
        is_due = served.calls <= FIRST_CALLS or served.calls % THEN_ONE_IN == 0 or self._config.is_loopback
        watch = is_due and _can_change(args, kwargs)
        before = codec.encode([args, kwargs]) if watch else b""
        given = args if served.receiver is None else [called_on, *args[1:]]
        return _Received(served, metadata, args, kwargs, given, before)

    def _raised(self, error: BaseException) -> Answer:
        return Answer(Status.OK, RAISED + self._encode_exception(error))

    def _returned(self, call: _Received, result: Any) -> Answer:
        if call.before and (path := _changed(call.before, [call.args, call.kwargs])):
            changed = _changed_message(call.args, call.kwargs, result)
            return self._stayed(MUTATED + path.encode() + b"\n" + changed, call, result)
        kind = KEPT if self._config.is_loopback and _is_kept(call, result) else RESULT
        try:
            return Answer(Status.OK, kind + codec.encode(result))
        except codec.CannotCross as error:
            if inspect.iscoroutine(result) and not self._config.is_loopback:
                result.close()
            refusal = CANNOT_CROSS + orjson.dumps([error.path, error.reason, error.type])
            return self._stayed(refusal, call, result)

    def _stayed(self, body: bytes, call: _Received, result: Any) -> Answer:
        """Answer that values cannot cross; in a loopback with the values themselves."""
        if not self._config.is_loopback:
            return Answer(Status.OK, body)
        answer = LoopbackAnswer(Status.OK, body)
        answer.args, answer.kwargs, answer.result = call.args, call.kwargs, result
        return answer

    def _context(self, call: _Received) -> Context:
        metadata = call.metadata
        deadline = deadline_in(metadata.remaining_micros / 1e6)
        return Context(metadata.request, deadline, (*metadata.chain, self._config.service))

    async def _run(self, call: _Received) -> Any:
        served, args, kwargs = call.served, call.given, call.kwargs
        again = self._config.service in call.metadata.chain
        current.set(self._context(call))
        slowness = self._faults.slowness()
        if served.is_async:
            if slowness > 1.0:
                return await _slow_async(slowness, served.function, args, kwargs)
            return await served.function(*args, **kwargs)
        pool = self._reentrant_pool if again else self._pool
        function = functools.partial(self._call, served.function, args, kwargs)
        if slowness > 1.0:
            function = functools.partial(_slow, slowness, function)
        result, error = await asyncio.get_running_loop().run_in_executor(pool, _outcome, function)
        if error is not None:
            raise _Raised(error)
        return result

    def _call(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        with self.around():
            return function(*args, **kwargs)

    def _find(self, name: str) -> Served | str:
        """Look up a function by name; a string is the reason why it cannot be called."""
        module_name, _, qualname = unquote(name).partition(":")
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
        if self._config.is_remote_method(module_name, qualname):
            method = find_method(module, qualname)
            if method is None:
                return f"{module_name} has no method {qualname}"
            served = self._served[name] = Served(method.function, shown, method.receiver)
            return served
        function = vars(module).get(qualname)
        if not isinstance(function, types.FunctionType | LRU_CACHED) or qualname.startswith("__"):
            return f"{module_name} has no function {qualname}"
        made_here = (module_name, qualname) == (function.__module__, function.__qualname__)
        if not made_here and "<" not in function.__qualname__:
            return f"{qualname} is not defined in {module_name}"
        served = self._served[name] = Served(function, shown)
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


def _can_change(args: list[Any], kwargs: dict[str, Any]) -> bool:
    return not (_FIXED.issuperset(map(type, args)) and _FIXED.issuperset(map(type, kwargs.values())))


def _is_kept(call: _Received, result: Any) -> bool:
    """Return if a result that can be changed is one of the arguments, or the last call's result again."""
    last, call.served.last = call.served.last, result
    is_fields = hasattr(result, "__dict__") and not isinstance(result, type | enum.Enum)
    if not (is_fields or isinstance(result, list | dict | set | deque | bytearray)):
        return False
    return any(result is value for value in (last, *call.args, *call.kwargs.values()))


def _changed(before: bytes, arguments: list[Any]) -> str:
    """Path of the first value whose encoding is not what it was; empty if all are."""
    try:
        after = codec.encode(arguments)
    except codec.CannotCross as error:
        return error.path
    if after == before:
        return ""
    return _difference(orjson.loads(before[1:]), orjson.loads(after[1:])) or "[0]"


def _changed_message(args: list[Any], kwargs: dict[str, Any], result: Any) -> bytes:
    """The changed arguments and the result, for a caller that takes them; nothing if they cannot cross."""
    try:
        return codec.encode([args, kwargs, result])
    except codec.CannotCross:
        return b""


def _difference(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        tag = next(iter(before), "") if len(before) == 1 else ""
        for key in before.keys() | after.keys():
            if key not in before or key not in after or before[key] != after[key]:
                inner = _difference(before.get(key), after.get(key))
                if tag.startswith("$"):
                    # `$d`: [type, fields] and the like: what counts is the field.
                    return (
                        inner[inner.index("]") + 1 :]
                        if tag in ("$d", "$p", "$w", "$n") and "]" in inner
                        else inner
                    )
                return f".{key}{inner}" if key.isidentifier() else f"[*]{inner}"
    elif isinstance(before, list) and isinstance(after, list):
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            if old != new:
                return f"[{index}]{_difference(old, new)}"
    return ""

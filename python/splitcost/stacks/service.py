"""One server that answers a function: ``python -m splitcost.stacks serve``."""

from __future__ import annotations

import asyncio
import ctypes
import hmac
import importlib
import inspect
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from splitcost.stacks import (
    PATH,
    Answer,
    AwaitingServerPart,
    BlockingServerPart,
    Status,
    find_codec,
    find_server,
)
from splitcost.stacks.codecs import Codec


def echo(value: Any) -> Any:
    """Return the argument."""
    return value


class _Made(NamedTuple):
    """The imported parts of a service."""

    codec: Codec
    function: Callable[..., Any]
    is_async: bool


@dataclass
class Service:
    """A function behind a server: decodes a call, runs the function, encodes its result.

    It can be pickled: granian's worker is a new process. Without a function, ``echo`` answers, and a body is
    any value. With one, a body is ``{"args": […], "kwargs": {…}}``.
    """

    token: str
    codec: str = "orjson"
    function: str = ""
    sample: Any = None
    _made: _Made | None = field(default=None, repr=False)

    def make(self) -> _Made:
        """Import codec and function; raises ``ImportError``, ``ValueError`` or ``TypeError``."""
        codec = find_codec(self.codec).make(self.sample)
        function: Any = echo
        if self.function:
            module, _, name = self.function.partition(":")
            function = importlib.import_module(module)
            for part in name.split("."):
                function = getattr(function, part)
            if not callable(function):
                raise TypeError(f"{self.function} is not a function")
        self._made = _Made(codec, function, inspect.iscoroutinefunction(inspect.unwrap(function)))
        return self._made

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}

    def answer(self, line: str, body: bytes) -> Answer:
        """Answer a call on its own thread; a coroutine function gets a new loop, as in Flask."""
        codec, run, is_async = self._made or self.make()
        if not hmac.compare_digest(line, self.token):
            return Answer(Status.UNAUTHENTICATED, b"the token is not this run's")
        try:
            value = codec.decode(body)
            args, kwargs = ((value,), {}) if not self.function else (value["args"], value["kwargs"])
        except (ValueError, TypeError, KeyError) as error:
            return Answer(Status.INVALID, str(error).encode())
        result = run(*args, **kwargs)
        return Answer(Status.OK, codec.encode(asyncio.run(result) if is_async else result))

    async def answer_async(self, line: str, body: bytes) -> Answer:
        """Answer a call on the event loop; a plain function but ``echo`` gets a thread, as in FastAPI."""
        codec, run, is_async = self._made or self.make()
        if not hmac.compare_digest(line, self.token):
            return Answer(Status.UNAUTHENTICATED, b"the token is not this run's")
        try:
            value = codec.decode(body)
            args, kwargs = ((value,), {}) if not self.function else (value["args"], value["kwargs"])
        except (ValueError, TypeError, KeyError) as error:
            return Answer(Status.INVALID, str(error).encode())
        if is_async:
            result = await run(*args, **kwargs)
        elif self.function:
            result = await asyncio.to_thread(run, *args, **kwargs)
        else:
            result = run(*args)
        return Answer(Status.OK, codec.encode(result))


@dataclass
class Announcement:
    """Prints a server's URL and the id of the process that serves, as JSON, once the server is reachable."""

    port: int
    path: str

    def __call__(self) -> None:
        """Announce in the process that serves, perhaps a little before it listens."""
        die_with_parent()
        threading.Thread(target=self._print, daemon=True).start()

    def _print(self) -> None:
        # Some servers call an app's startup hook before they listen.
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.005)
        url = f"http://127.0.0.1:{self.port}{self.path}"
        print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)


def run(server: str, transport: str, service: Service) -> int:
    """Serve until stdin ends."""
    part = find_server(server)
    if transport not in part.transports:
        raise ValueError(f"the server {server} speaks {' and '.join(part.transports)}, not {transport}")
    service.make()
    listener = tcp_socket()
    # Servers that take no socket bind the same port beside it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", 0))
    announce = Announcement(listener.getsockname()[1], "" if transport == "grpc" else PATH)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    if isinstance(part, AwaitingServerPart):
        part.serve(service.answer_async, listener, transport, announce)
    else:
        assert isinstance(part, BlockingServerPart)
        part.serve(service.answer, listener, transport, announce)
    return 0


def tcp_socket() -> socket.socket:
    """Return a new socket whose protocol is TCP by name.

    Only on such a socket does asyncio turn off Nagle's algorithm, which delays answers by up to 40 ms.
    """
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


def shared_listener(port: int) -> socket.socket:
    """Return a socket that is bound to a port on loopback, as other processes may be; 0 for any port."""
    listener = tcp_socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def end_with_stdin() -> None:
    """Wait for the end of stdin, then ask this process to terminate."""
    # Not through sys.stdin: a forked worker would inherit its lock.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent has ended, however it ended."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        pass  # Not Linux: the end of stdin has the same effect, a little later.

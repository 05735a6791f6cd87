"""One server of a stack, answering a function: ``python -m splitcost.stacks serve``."""

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
from typing import Any

from splitcost.stacks import PATH, Answer, Status, find


def echo(value: Any) -> Any:
    """Give back what came."""
    return value


@dataclass
class Service:
    """Decodes a call, runs the function, encodes its result.

    It can be pickled: granian's worker is a new process. Without a function, ``echo`` answers, and a body is
    any value. Else a body is ``{"args": […], "kwargs": {…}}``.
    """

    token: str
    codec: str = "orjson"
    function: str = ""
    sample: Any = None
    _made: tuple[Any, ...] = field(default=(), repr=False)

    def make(self) -> Service:
        """Import what is needed; raises ``ImportError``, ``ValueError`` or ``TypeError``."""
        codec = find("codecs", self.codec).make(self.sample)
        run, is_async = echo, False
        if self.function:
            module, _, name = self.function.partition(":")
            run = importlib.import_module(module)
            for part in name.split("."):
                run = getattr(run, part)
            if not callable(run):
                raise TypeError(f"{self.function} is not a function")
            is_async = inspect.iscoroutinefunction(inspect.unwrap(run))
        self._made = (codec, run, is_async)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": ()}

    def answer(self, line: str, body: bytes) -> Answer:
        """For servers that give each call a thread; a coroutine function gets a loop, as Flask does it."""
        codec, run, is_async = self._made or self.make()._made
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
        """For event loops: a plain function runs on a thread, as FastAPI does it; ``echo`` at once."""
        codec, run, is_async = self._made or self.make()._made
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
    """Tells on stdout, as JSON, where a server is and which process serves, once it is reachable."""

    port: int
    path: str

    def __call__(self) -> None:
        """Called in the process that serves, perhaps a little before it listens."""
        die_with_parent()
        threading.Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        # Some servers tell an app of their start before they listen.
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.005)
        url = f"http://127.0.0.1:{self.port}{self.path}"
        print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)


def run(server: str, transport: str, service: Service) -> int:
    """Serve until stdin ends."""
    module = find("servers", server)
    if transport not in module.TRANSPORTS:
        raise ValueError(f"the server {server} speaks {' and '.join(module.TRANSPORTS)}, not {transport}")
    service.make()
    listener = tcp_socket()
    # Servers that take no socket bind the same port beside it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", 0))
    announce = Announcement(listener.getsockname()[1], "" if transport == "grpc" else PATH)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    answerer: Callable[..., Any] = service.answer_async if module.AWAITS else service.answer
    module.serve(answerer, listener, transport, announce)
    return 0


def tcp_socket() -> socket.socket:
    """A socket that says it is TCP.

    asyncio sends answers at once, without Nagle's wait for an acknowledgement of 40 ms, only on those.
    """
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


def end_with_stdin() -> None:
    """Wait for the end of stdin, then ask this process to terminate."""
    # Not through sys.stdin: a forked worker would inherit its lock.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent is gone, however it went."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        pass  # Not Linux: the end of stdin tells the same, a little later.

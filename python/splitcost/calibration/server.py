"""The calibration's server: a real uvicorn with an empty app and the rehearsal's own way of taking calls."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from splitcost import rehearsal
from splitcost.rehearsal.config import Config
from splitcost.stacks.service import tcp_socket

PACKAGE = "splitcost.calibration"
OWNED = ["splitcost.calibration.functions", "splitcost.calibration.payload"]
"""Modules of the service ``server``; the client imports ``payload`` before it starts, for itself."""


def config(stack: str, token: str, service: str, port: int) -> Config:
    """Two services: ``main``, which calls, and ``server``, which owns the functions."""
    services = {
        "main": {"http_port": 0, "rpc_port": 0, "modules": []},
        "server": {"http_port": port, "rpc_port": port, "modules": OWNED},
    }
    document = {
        "token": token,
        "stack": stack,
        "services": services,
        "main_service": "main",
        "packages": [PACKAGE],
    }
    return Config.from_dict(document, service)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """An app without a route: every request that is not a call gets a 404."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


def run(stack: str, token: str) -> int:
    """Serve until stdin ends; the first line on stdout is the port."""
    listener = tcp_socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    runtime = rehearsal.start(config(stack, token, "server", 0))

    import uvicorn

    class Server(uvicorn.Server):
        """Prints its port once it serves, and ends with stdin."""

        async def startup(self, *args: Any, **kwargs: Any) -> None:
            """Start as uvicorn does, then print the port."""
            await super().startup(*args, **kwargs)
            # Without a port of their own, calls come to the app's server.
            print(json.dumps({"port": runtime.rpc_port or port}), flush=True)
            threading.Thread(target=self._end_with_stdin, daemon=True).start()

        def _end_with_stdin(self) -> None:
            sys.stdin.read()
            self.should_exit = True

    settings = uvicorn.Config(
        _app, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    Server(settings).run(sockets=[listener])
    return 0

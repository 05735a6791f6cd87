"""The calibration's server: the rehearsal's own way of taking calls, without an app."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import sys
import time
from typing import TYPE_CHECKING

from splitcost import rehearsal
from splitcost.rehearsal.config import Config
from splitcost.stacks.harness import usual_loop
from splitcost.stacks.service import shared_listener

if TYPE_CHECKING:
    from splitcost.rehearsal.runtime import Runtime

PACKAGE = "splitcost.calibration"
OWNED = [f"{PACKAGE}.{module}" for module in ("functions", "payload", "work")]
"""Modules of the service ``server``; the client imports the last two before it starts, for itself."""


def config(stack: str, token: str, service: str, port: int) -> Config:
    """Two services: ``main``, which calls, and ``server``, which owns the functions."""
    services = {
        "main": {"rpc_port": 0, "modules": []},
        "server": {"rpc_port": port, "modules": OWNED},
    }
    document = {
        "token": token,
        "stack": stack,
        "services": services,
        "main_service": "main",
        "packages": [PACKAGE],
        "changing_functions": [f"{PACKAGE}.functions:{name}" for name in ("change", "change_async")],
    }
    return Config.from_dict(document, service)


def run(stack: str, token: str, with_flask: bool) -> int:
    """Serve until stdin ends; the first line on stdout is the port."""
    runtime = rehearsal.start(config(stack, token, "server", 0))
    if with_flask:
        from splitcost.calibration import flask_app
        from splitcost.rehearsal.resources import web

        runtime.server.around = functools.partial(web.flask_context, flask_app.make())
    with asyncio.Runner(loop_factory=usual_loop()) as runner:
        runner.run(_serve(runtime))
    return 0


async def _serve(runtime: Runtime) -> None:
    listener = shared_listener(0)
    runtime.open(listener)
    port = listener.getsockname()[1]
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, _wait_for, port)
    print(json.dumps({"port": port}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def _wait_for(port: int) -> None:
    """Wait until the server listens."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)

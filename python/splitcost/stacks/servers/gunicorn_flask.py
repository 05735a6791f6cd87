"""gunicorn's gthread worker and Flask: a thread for each call under way."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from splitcost.stacks import (
    HEADER,
    MAX_BODY_BYTES,
    PATH,
    SERVER_THREADS,
    Answer,
    BlockingAnswerer,
    BlockingServerPart,
    Status,
)


def serve(
    answerer: BlockingAnswerer, listener: socket.socket, transport: str, announce: Callable[[], None]
) -> None:
    """Serve until the process is asked to terminate."""
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        """gunicorn without a command line."""

        def load_config(self) -> None:
            """One worker on the listener."""
            settings = {
                "bind": f"fd://{listener.fileno()}",
                "workers": 1,
                "worker_class": "gthread",
                "threads": SERVER_THREADS,
                # Chosen: as uvicorn's; its own 2 s are less than clients keep a connection.
                "keepalive": 5,
                "graceful_timeout": 1,
                "loglevel": "error",
                "post_worker_init": lambda worker: announce(),
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            """Called in the worker."""
            return _app(answerer)

    Application().run()


def _app(answerer: BlockingAnswerer) -> Any:
    import flask

    app = flask.Flask("splitcost")

    @app.post(PATH)
    def call() -> Any:
        request = flask.request
        body = request.stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            answer = Answer(Status.TOO_LARGE, b"the arguments are too large")
        else:
            answer = answerer(request.headers.get(HEADER, ""), body)
        return flask.Response(answer.body, int(answer.status), content_type="application/octet-stream")

    return app


PARTS = {
    "gunicorn_flask": BlockingServerPart(
        summary="gunicorn's gthread worker and Flask: a thread for each call under way.",
        needs=("gunicorn", "flask"),
        serve=serve,
    )
}

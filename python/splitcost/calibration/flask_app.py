"""A Flask app, and a request of a browser, for calls that carry a request."""

from __future__ import annotations

from typing import Any

import flask

#: As the browser of somebody who is signed in sends them.
HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.8,fr;q=0.5",
    "Connection": "keep-alive",
    "Referer": "http://localhost/orders",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}


def make() -> Any:
    """Return the app. Its routes and its session are those of a small one."""
    app = flask.Flask(__name__)
    app.secret_key = "calibration"
    for name in ("orders", "products", "users"):
        app.add_url_rule(f"/{name}/<int:number>", name, lambda number: "")
    return app


def enter_request(app: Any) -> None:
    """Enter the context of a request by somebody who is signed in, for good."""
    session = {"user_id": "17", "csrf_token": "c4" * 20, "_fresh": True}
    cookie = app.session_interface.get_signing_serializer(app).dumps(session)
    headers = HEADERS | {"Cookie": f"session={cookie}; theme=dark"}
    app.test_request_context("/orders/7?page=2", headers=headers).push()
    flask.g.user = {"id": 17, "name": "Ada", "roles": ["buyer"]}

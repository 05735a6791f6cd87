"""Werkzeug's server, which Flask's command line starts: the app that a server is given is wrapped.

And its map of rules, for apps without a framework: the rule that matched, and its endpoint where that is a function.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost._guard import attempt
from splitcost.gateways import flask, limits, patch
from splitcost.gateways.request import found, routed, wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests of servers, and the rules that match."""
    if module.__name__ == "werkzeug.serving":
        patch.after(module.BaseWSGIServer, "__init__", wrap_app)
    else:
        patch.around(module.MapAdapter, "match", match)


def match(
    original: Any,
    adapter: Any,
    path_info: Any = None,
    method: Any = None,
    return_rule: bool = False,
    *arguments: Any,
    **options: Any,
) -> Any:
    """Match, and tell the rule and its endpoint."""
    rule, values = original(adapter, path_info, method, True, *arguments, **options)
    attempt(note, rule)
    return rule if return_rule else rule.endpoint, values


def note(rule: Any) -> None:
    """Tell the rule of a request. Flask does not say before it calls a view by which function it will answer."""
    if callable(rule.endpoint):
        found(flask.template(rule.rule), rule.endpoint)
    else:
        routed(flask.template(rule.rule))


def wrap_app(_: Any, server: Any, *arguments: Any, **options: Any) -> None:
    """Wrap the app of a server."""
    server.app = wsgi(server.app, "werkzeug")
    limits.server_threads(lambda: None if server.multithread else 1)
    if server.multiprocess:
        limits.processes(lambda: server.max_children)

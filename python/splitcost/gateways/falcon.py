"""Falcon, by WSGI and ASGI: the responder that is found."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import found
from splitcost.gateways.template import braces


def hook(module: ModuleType) -> None:
    """Follow the responders that are found."""
    patch.after(module.App, "_get_responder", find)


def find(match: Any, *_: Any) -> None:
    """Tell the template and the responder of a request; without a template no route matched."""
    responder, _, _, uri_template = match
    if uri_template is not None:
        found(braces(uri_template), responder)

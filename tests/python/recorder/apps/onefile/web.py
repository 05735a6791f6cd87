"""The caller of the services."""

from __future__ import annotations

from onefile import services


def handle(call):
    return call(services)

"""The caller."""

from __future__ import annotations

from nested.billing import api


def handle() -> int:
    return api.bill(1)

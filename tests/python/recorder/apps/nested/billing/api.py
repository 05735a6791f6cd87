"""The layer that others call."""

from __future__ import annotations

from nested.billing.invoices import service


def bill(number: int) -> int:
    return service.bill(number)

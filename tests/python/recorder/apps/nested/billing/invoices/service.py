"""The layer above."""

from __future__ import annotations

from nested.billing.invoices import repo


def bill(number: int) -> int:
    return repo.save(number)

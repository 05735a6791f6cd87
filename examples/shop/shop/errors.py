"""Errors of the domain; `shop.main` maps them to HTTP.

An error's constructor arguments are its `args`, so that it can be rebuilt from them.
"""


class ShopError(Exception):
    """Something a client did or asked for that the shop cannot do."""


class NotFound(ShopError):
    """There is no such thing."""

    def __init__(self, kind: str, key: int | str) -> None:
        super().__init__(kind, key)
        self.kind = kind
        self.key = key

    def __str__(self) -> str:
        return f"{self.kind} {self.key} does not exist"


class Conflict(ShopError):
    """It contradicts the current state."""


class Rejected(ShopError):
    """It is well-formed, and against the rules."""

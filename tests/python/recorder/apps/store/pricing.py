"""The module that all the handlers call."""


def price(item: int) -> int:
    return item * 2


def log(_: object = None) -> None:
    """Called by hooks, middleware and background tasks."""

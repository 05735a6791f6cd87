"""Settings that are read off the app that runs."""

from flask import current_app


def rate(item: int) -> int:
    return item * int(current_app.config.get("RATE", 2))

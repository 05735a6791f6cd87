"""A helper that several modules call with plain values, without state."""

PREFIX = "kind"


def text(item):
    return f"{PREFIX} {item}"

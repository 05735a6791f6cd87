"""Takes values."""


def take(value):
    return value

"""Takes values."""


def take(value):
    return value


def mark():
    """Stands between the calls of two cases."""

"""Stock: its functions take a lock, which cannot cross into another process."""


def left(item: int, lock) -> int:
    """How many of an item are left."""
    with lock:
        return 1000 - item

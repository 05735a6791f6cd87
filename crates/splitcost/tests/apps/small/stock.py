"""Stock: its functions take a lock, which cannot cross into another process."""


def left(item: int, lock) -> int:
    """The number of an item that are left."""
    with lock:
        return 1000 - item

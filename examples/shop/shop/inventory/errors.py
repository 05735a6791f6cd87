"""Errors of the inventory."""

from shop.errors import Conflict


class OutOfStock(Conflict):
    """There is not as much as somebody wants."""

    def __init__(self, product_id: int, wanted: int) -> None:
        super().__init__(product_id, wanted)
        self.product_id = product_id
        self.wanted = wanted

    def __str__(self) -> str:
        return f"product {self.product_id} is not in stock {self.wanted} times"

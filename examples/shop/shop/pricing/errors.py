"""Errors of the price rules: what they mean for a request is the caller's business."""

from shop.errors import ShopError


class UnknownCoupon(ShopError):
    """Nobody ever issued this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"coupon {self.code} is unknown"


class ExpiredCoupon(UnknownCoupon):
    """The code was good once."""

    def __str__(self) -> str:
        return f"coupon {self.code} has expired"

"""Errors of the orders module."""

from shop.errors import Rejected


class OrderRejected(Rejected):
    """The order cannot be placed as it is."""

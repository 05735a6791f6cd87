"""Functions that tables, decorator objects, partials and descriptors hold."""

import functools

from tariff.tools import Injected, handler


def day(n):
    return n * 2


async def night(n):
    return n * 3


RATES = {"day": day}
AWAITED = {"night": night}


@handler
def weekend(n):
    return n * 5


@Injected
def taxed(rate, n):
    return rate * n


def rounded(n, unit):
    return n // unit * unit


rounded_to_ten = functools.partial(rounded, unit=10)


@functools.singledispatch
def shown(value):
    return str(value)


@shown.register
def _(value: int):
    return f"{value} kWh"


class Meter:
    def __init__(self, number):
        self.number = number

    @functools.cached_property
    def name(self):
        return f"meter {self.number}"

    def read(self, n):
        return self.number + n

    read_twice = functools.partialmethod(read, 2)


meter = Meter(7)
READERS = {"read": meter.read}

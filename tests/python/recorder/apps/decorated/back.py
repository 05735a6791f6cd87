"""Decorated functions."""

import functools

from decorated import tools


def own(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@own
def plain(amount):
    return amount


@own
def other(amount):
    return plain(amount)


@tools.logged
def elsewhere(amount):
    return amount


@functools.cache
@tools.logged
@own
@tools.times(2)
def several(amount):
    return amount


@tools.awaited
async def waits(amount):
    return amount


@tools.later
async def made(amount):
    return amount


class Shelf:
    def __init__(self):
        self.amount = 1

    @own
    def take(self, amount):
        return self.amount + amount

    @tools.bare
    def bare(self, amount):
        return amount

    @tools.listed
    def items(self, amount):
        return [amount]

    @classmethod
    @own
    def make(cls):
        return cls()

    @staticmethod
    @own
    def static(amount):
        return amount

    @property
    @own
    def half(self):
        return self.amount / 2


def fresh():
    """Decorates a function that nobody finds by a name."""

    @own
    def inner(amount):
        return amount

    return inner

"""Decorated functions."""

import functools

from decorated import tools


def own(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def bare(function):
    """Keeps no name."""

    def wrapper(self, amount):
        return function(self, amount)

    return wrapper


def times(count):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return [function(*args, **kwargs) for _ in range(count)]

        return wrapper

    return decorate


def awaited(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


def listed(function):
    @functools.wraps(function)
    def wrapper(self, *args):
        yield from function(self, *args)

    return wrapper


def later(function):
    """Returns the coroutine of the function."""

    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

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
@own
@times(2)
def several(amount):
    return amount


@awaited
async def waits(amount):
    return amount


@later
async def made(amount):
    return amount


@own
@tools.logged
def between(amount):
    return amount


class Shelf:
    def __init__(self):
        self.amount = 1

    @own
    def take(self, amount):
        return self.amount + amount

    @bare
    def bare(self, amount):
        return amount

    @listed
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

"""Decorators."""

import functools


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        note()
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


def note():
    pass

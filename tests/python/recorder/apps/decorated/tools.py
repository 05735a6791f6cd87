"""Decorators."""

import functools


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        note()
        return function(*args, **kwargs)

    return wrapper


def note():
    pass

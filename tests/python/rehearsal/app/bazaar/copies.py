"""A module of which every service has a copy."""

import os


def where():
    return os.getpid()


REGISTRY = {}


def register(function):
    REGISTRY[function.__name__] = function
    return function


class Injected:
    """A decorator whose object holds the function."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function("kg", *args)

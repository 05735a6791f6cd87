"""Decorators, and a registry. Every service has a copy."""

HANDLERS = {}


def handler(function):
    HANDLERS[function.__name__] = function
    return function


class Injected:
    """Calls a function with a rate."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(3, *args)

"""Functions that others hold: tables, decorator objects, partials, descriptors."""

import functools
import os

from bazaar.copies import Injected, register


def first(n):
    return ["first", n, os.getpid()]


async def second(n):
    return ["second", n, os.getpid()]


TABLE = {"first": first, "second": second}


@register
def registered(n):
    return ["registered", n, os.getpid()]


@Injected
def injected(unit, n):
    return ["injected", unit, n, os.getpid()]


def quote(n, unit="kg"):
    return ["quote", unit, n, os.getpid()]


quote_pieces = functools.partial(quote, unit="pc")


@functools.singledispatch
def render(value):
    return ["render", str(value), os.getpid()]


@render.register
def _(value: int):
    return ["int", value, os.getpid()]


@render.register
def _(value: str):
    return ["str", value, os.getpid()]


def items(n):
    for item in range(n):
        yield [item, os.getpid()]


class Scale:
    def __init__(self, name):
        self.name = name
        self.seen = []

    def weigh(self, n):
        return ["weigh", n, os.getpid()]

    @functools.cached_property
    def largest(self):
        return ["largest", self.name, os.getpid()]

    half = functools.partialmethod(weigh, 0.5)

    @functools.singledispatchmethod
    def show(self, value):
        return ["show", value, os.getpid()]

    @show.register
    def _(self, value: int):
        return ["show int", value, os.getpid()]


scale = Scale("counter")
BOUND = {"weigh": scale.weigh}
GENERATORS = [items]


def at_home(n):
    """Calls functions of its own service: no crossing, here as there."""
    return [TABLE["first"](n)[0], BOUND["weigh"](n)[0], quote_pieces(n)[1], os.getpid()]

"""Functions whose parameters have default values that cannot cross."""

import functools

import shop_library

NOTHING = object()


def plain(n, key=len, *rest, hook=NOTHING, **more):
    return n


@functools.lru_cache
def cached(n, key=len):
    return n


@shop_library.logged
def decorated(n, key=len):
    return n


async def later(n, key=len):
    return n


def values(n, key=len):
    yield n


def grown(n, into=[]):  # noqa: B006
    into.append(n)


class Service:
    def method(self, n, key=len):
        return n

    @staticmethod
    def static(n, key=len):
        return n

    @classmethod
    def of_class(cls, n, key=len):
        return n

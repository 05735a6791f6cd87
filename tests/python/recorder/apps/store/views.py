"""Views in every wrapping, each around `view` or a method."""

import functools

from store import middleware


def view():
    """Do what is asked for."""


class View:
    def get(self):
        return view()

    def __call__(self):
        return view()

    @classmethod
    def made(cls):
        return cls()

    @property
    def __wrapped__(self):
        raise AssertionError("a property of the app's was run")


class Meta(type):
    def __getattribute__(cls, name):
        raise AssertionError("a metaclass of the app's was run")


class Watched(metaclass=Meta):
    def get(self):
        return view()


checked = middleware.checked(middleware.checked(view))
partial = functools.partial(functools.partial(checked, 1), 2)
cached = functools.lru_cache(view)

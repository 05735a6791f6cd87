"""Every service of the app."""

from __future__ import annotations

import functools


def logged(method):
    @functools.wraps(method)
    def wrapper(*args):
        return method(*args)

    return wrapper


def rate(item):
    return item % 7


class Orders:
    def place(self, item):
        return rate(item) + self.fee(item)

    @logged
    def cancel(self, item):
        return item

    @staticmethod
    def fee(item):
        return 2 * item


class Rush(Orders):
    def place(self, item):
        return super().place(item) + 1


class Users:
    def name(self, item):
        return f"user {item}"


orders = Orders()
rush = Rush()
users = Users()

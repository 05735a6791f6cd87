import os

import bazaar.orders.helpers as helpers_module
from bazaar import pricing
from bazaar.orders import helpers
from bazaar.orders.helpers import helper_pid


def plain_pid():
    return os.getpid()


async def async_pid():
    return os.getpid()


def helper_pids():
    import bazaar.orders.helpers

    return [
        os.getpid(),
        helper_pid(),
        helpers.helper_pid(),
        helpers_module.helper_pid(),
        bazaar.orders.helpers.helper_pid(),
    ]


class Basket:
    """A class is local wherever it is used, and so are the functions of its module that it calls."""

    def pids(self):
        return [os.getpid(), plain_pid(), helper_pid()]


def chain():
    return pricing.call_back()


def echo_twice(value):
    from bazaar.pricing import echo

    return echo(echo(value))

"""Kept local where it cannot cross."""

import os
import threading

from bazaar import pricing


def reserve(session, product_id):
    return [os.getpid(), inner()]


def inner():
    return os.getpid()


def stock(product_id):
    return os.getpid()


def take(stocks):
    """Changes its argument."""
    stocks["left"] -= 1
    return os.getpid()


def lock():
    return threading.Lock()


def always_here(value):
    """Named in `local_functions`."""
    return os.getpid()


def priced(value):
    """Run in the caller, it still crosses from there to pricing."""
    return pricing.where()["pid"]

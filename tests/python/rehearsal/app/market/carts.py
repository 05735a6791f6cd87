"""A class of the service that requests enter, whose objects stay where they are."""

import os
import threading


class Cart:
    def __init__(self):
        self.items = ["apple"]
        self.lock = threading.Lock()

    def add(self, name):
        self.items.append(name)
        self.last = os.getpid()

    def total(self):
        return [os.getpid(), len(self.items)]

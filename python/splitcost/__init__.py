"""splitcost: what a service boundary costs a Python monolith, before you build it."""

__version__ = "0.1.0"

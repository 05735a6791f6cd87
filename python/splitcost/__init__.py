"""splitcost: what a service boundary costs a Python monolith, before you build it.

PYTEST_DONT_REWRITE: under the recorder this package is imported before pytest is, which is no trouble.
"""

__version__ = "0.1.0"

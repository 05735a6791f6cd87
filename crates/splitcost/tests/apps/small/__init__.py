"""A small ASGI app with a module that can become a service and one that cannot, for the command line's tests."""

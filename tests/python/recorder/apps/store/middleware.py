"""Middleware and decorators of the app's own."""

import functools

from store import pricing


class Asgi:
    """A pure ASGI middleware, which hands a copy of the scope on."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(dict(scope), receive, send)


class Wsgi:
    """A pure WSGI middleware, whose body is closed."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        return Body(self.app(environ, start_response))


class Body:
    def __init__(self, body):
        self.body = body

    def __iter__(self):
        yield from self.body

    def close(self):
        pricing.log()
        if hasattr(self.body, "close"):
            self.body.close()


def checked(view):
    """A decorator that names what it wraps."""

    @functools.wraps(view)
    def check(*arguments, **options):
        return view(*arguments, **options)

    return check

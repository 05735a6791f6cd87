"""A tween, as Pyramid calls a middleware."""

from store import pricing


def tween(handler, registry):
    def log(request):
        pricing.log()
        return handler(request)

    return log

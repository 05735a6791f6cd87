"""No framework at all."""

from store import pricing


def app(environ, start_response):
    price = pricing.price(1)
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(price).encode()]

"""Bodies of every kind."""

import io

from store import pricing


def generator(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    yield str(pricing.price(1)).encode()
    yield b"end"


class Closing:
    def __iter__(self):
        return iter([b"one"])

    def close(self):
        pricing.log()


def closing(environ, start_response):
    pricing.price(1)
    start_response("200 OK", [("content-type", "text/plain")])
    return Closing()


def whole(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"whole"]


class Sized(list):
    pass


def sized(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return Sized([b"sized"])


def file(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))


def raising(environ, start_response):
    raise KeyError("an error of the app's")

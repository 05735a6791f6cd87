"""The web app over WSGI: functions are called on the thread of the request, coroutines on a loop of their own."""

import asyncio
import json
import os
from urllib.parse import parse_qs

from splitcost import codec

from bazaar.main import failure, function_of, success


def app(environ, start_response):
    answer = {"pid": os.getpid()}
    if environ["PATH_INFO"] == "/run":
        name = parse_qs(environ["QUERY_STRING"])["name"][0]
        args = codec.decode(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        answer = run(function_of(name), args)
    body = json.dumps(answer).encode()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
    return [body]


def run(function, args):
    try:
        result = function(*args)
        return success(asyncio.run(result) if asyncio.iscoroutine(result) else result)
    except Exception as error:
        return failure(error)

"""Each check passes a client to the other module, which makes its own."""
import http.server
import os
import threading

import httpx
import httpx2
import redis
import redis.asyncio
import requests

from app import vault

CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what a client sent."""

    def do_GET(self):
        body = f"{self.path} {self.headers['x-name']} {self.headers['cookie']}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
BASE = f"http://127.0.0.1:{server.server_address[1]}"
SETTINGS = {"headers": {"x-name": "desk"}, "cookies": {"a": "b"}, "params": {"n": "1"}}


def of_redis(package, **options):
    return package.Redis(unix_socket_path=os.environ["CASE_REDIS"], decode_responses=True, **options)


def crossed(answer):
    pid, value = answer
    assert pid != os.getpid(), "it ran here"
    return value


@check
def redis_client():
    client = of_redis(redis)
    before = int(client.get("plain") or 0)
    assert crossed(vault.bump(client, "plain")) == before + 1


@check
async def redis_client_async():
    client = of_redis(redis.asyncio)
    first = crossed(await vault.bump_async(client, "async"))
    assert crossed(await vault.bump_async(client, "async")) == first + 1
    await client.aclose()


@check
def the_same_settings_are_the_same_client_there():
    ids = {crossed(vault.identity(of_redis(redis))) for _ in range(3)}
    assert len(ids) == 1
    assert crossed(vault.identity(of_redis(redis, db=1))) not in ids


@check
def a_client_with_a_policy_of_its_own_stays():
    client = of_redis(redis, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 1))
    assert vault.identity(client) == [os.getpid(), id(client)]


@check
def clients_of_http():
    for package in (httpx, httpx2):
        with package.Client(base_url=BASE, timeout=package.Timeout(5, read=7), **SETTINGS) as client:
            assert crossed(vault.fetch(client, "/thing")) == "/thing?n=1 desk a=b"


@check
async def clients_of_http_async():
    async with httpx.AsyncClient(base_url=BASE, **SETTINGS) as client:
        assert crossed(await vault.fetch_async(client, "/thing")) == "/thing?n=1 desk a=b"


@check
def a_session_of_requests():
    session = requests.Session()
    session.headers["x-name"] = "till"
    session.cookies["c"] = "d"
    session.params = {"n": "2"}
    assert crossed(vault.fetch(session, f"{BASE}/thing")) == "/thing?n=2 till c=d"


@check
def clients_with_something_of_the_apps_own_stay():
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, text="here")))
    assert vault.fetch(client, BASE) == [os.getpid(), "here"]
    hooked = httpx.Client(event_hooks={"request": [lambda request: None]})
    assert vault.identity(hooked) == [os.getpid(), id(hooked)]

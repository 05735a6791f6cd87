"""`splitcost link --api` under the control of a client that was written for Toxiproxy."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from toxiproxy import Proxy, Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

DEADLINE_SECS = 60


@pytest.fixture
def toxiproxy() -> Iterator[Toxiproxy]:
    """A client of a running API."""
    command = [shutil.which("splitcost"), "link", "--api", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        host, port = re.search(r"http://([\d.]+):(\d+)", process.stderr.readline()).groups()
        client = Toxiproxy()
        client.update_api_consumer(host, int(port))
        yield client
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_SECS)
        assert process.returncode in (0, 1)  # 1: on a busy machine, deliveries were late.
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def upstream() -> Iterator[str]:
    """An echo server."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(one: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                one.sendall(data)
        except OSError:
            pass
        finally:
            one.close()

    def accept() -> None:
        try:
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    yield "{}:{}".format(*listener.getsockname())
    listener.close()


def connect(proxy: Proxy) -> socket.socket:
    """Connects through a proxy."""
    host, port = proxy.listen.rsplit(":", 1)
    return socket.create_connection((host, int(port)), DEADLINE_SECS)


def receive(one: socket.socket, count: int) -> bytes:
    """Receives this number of bytes, or fewer if the stream ends before."""
    data = b""
    while len(data) < count and (more := one.recv(count - len(data))):
        data += more
    return data


def ping(one: socket.socket) -> bytes:
    """Sends four bytes, and returns the answer."""
    one.sendall(b"ping")
    return receive(one, 4)


def test_proxies(toxiproxy: Toxiproxy, upstream: str) -> None:
    assert toxiproxy.running()
    assert b"2.12" in toxiproxy.version()
    proxy = toxiproxy.create(upstream=upstream, name="db")
    assert proxy.enabled and toxiproxy.get_proxy("db").listen == proxy.listen
    assert ping(connect(proxy)) == b"ping"
    with pytest.raises(ProxyExists):
        toxiproxy.create(upstream=upstream, name="db")
    cache = {"name": "cache", "upstream": upstream, "listen": "127.0.0.1:0"}
    assert [one.name for one in toxiproxy.populate([cache])] == ["cache"]
    assert set(toxiproxy.proxies()) == {"db", "cache"}
    toxiproxy.destroy_all()
    assert toxiproxy.proxies() == {}
    with pytest.raises(NotFound):
        proxy.destroy()


def test_down(toxiproxy: Toxiproxy, upstream: str) -> None:
    proxy = toxiproxy.create(upstream=upstream, name="db")
    before = connect(proxy)
    assert ping(before) == b"ping"
    with proxy.down():
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        assert before.recv(1) == b""
    assert ping(connect(proxy)) == b"ping"


def test_latency(toxiproxy: Toxiproxy, upstream: str) -> None:
    proxy = toxiproxy.create(upstream=upstream, name="db")
    one = connect(proxy)
    ping(one)
    for stream in ("upstream", "downstream"):
        proxy.add_toxic(type="latency", stream=stream, attributes={"latency": 100, "jitter": 10})
    begun = time.monotonic()
    assert ping(one) == b"ping"
    assert time.monotonic() - begun >= 0.18
    toxic = proxy.get_toxic("latency_upstream")
    assert (toxic.type, toxic.attributes["latency"], toxic.toxicity) == ("latency", 100, 1.0)
    proxy.destroy_toxic("latency_upstream")
    assert set(proxy.toxics()) == {"latency_downstream"}
    assert toxiproxy.reset()
    assert proxy.toxics() == {}


def test_bandwidth_and_slicer(toxiproxy: Toxiproxy, upstream: str) -> None:
    proxy = toxiproxy.create(upstream=upstream, name="db")
    proxy.add_toxic(type="bandwidth", attributes={"rate": 500})
    attributes = {"average_size": 1000, "size_variation": 500, "delay": 10}
    proxy.add_toxic(type="slicer", stream="upstream", attributes=attributes)
    one = connect(proxy)
    sent = bytes(range(256)) * 400
    begun = time.monotonic()
    threading.Thread(target=one.sendall, args=(sent,)).start()
    assert receive(one, len(sent)) == sent
    assert time.monotonic() - begun >= len(sent) / 500e3 * 0.9


def test_toxics_that_end_connections(toxiproxy: Toxiproxy, upstream: str) -> None:
    proxy = toxiproxy.create(upstream=upstream, name="db")
    proxy.add_toxic(type="limit_data", attributes={"bytes": 6})
    one = connect(proxy)
    assert ping(one) == b"ping"
    assert ping(one) == b"pi"
    toxiproxy.reset()

    proxy.add_toxic(type="reset_peer", attributes={"timeout": 10})
    with pytest.raises(ConnectionResetError):
        connect(proxy).recv(1)
    toxiproxy.reset()

    proxy.add_toxic(type="timeout", attributes={"timeout": 50})
    # On a slow machine, the link closes before the client writes: then the client sees a reset.
    with contextlib.suppress(ConnectionError):
        assert ping(connect(proxy)) == b""
    toxiproxy.reset()

    proxy.add_toxic(type="slow_close", attributes={"delay": 50})
    one = connect(proxy)
    assert ping(one) == b"ping"
    one.shutdown(socket.SHUT_WR)
    assert one.recv(1) == b""


def test_toxicity_and_mistakes(toxiproxy: Toxiproxy, upstream: str) -> None:
    proxy = toxiproxy.create(upstream=upstream, name="db")
    proxy.add_toxic(type="reset_peer", toxicity=0.5, attributes={"timeout": 0})

    def survives() -> bool:
        try:
            return ping(connect(proxy)) == b"ping"
        except ConnectionError:
            return False

    assert 5 < sum(survives() for _ in range(40)) < 35
    with pytest.raises(InvalidToxic):
        proxy.add_toxic(type="flood")

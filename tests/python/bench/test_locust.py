"""The workload of `splitcost bench` in Locust's own distributed mode, and its results read back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

DEADLINE_SECS = 120

APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    good = scope["path"] != "/orders" or (body.startswith(b'{"id":7,"note":"') and body.endswith(b'"}'))
    good = good and scope["path"] != "/broken" and (b"x-user", b"u 1") in scope["headers"]
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200 if good else 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
"""

REQUESTS = """
[[requests]]
path = "/items/{id}?q={q}"
weight = 3
params = { id = { int = [1, 9] }, q = { choice = ["a b", "ä/ö", true] }, user = { int = [1, 1] } }
headers = { x-user = "u {user}" }
[[requests]]
method = "POST"
path = "/orders"
body = { id = "{n}", note = "say {t}" }
params = { n = { int = [7, 7] }, t = { string = [1, 5] } }
headers = { x-user = "u 1" }
[[requests]]
name = "expected"
path = "/broken?a=1"
expect = [503]
[[requests]]
path = "/broken"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(tmp_path: Path):
    """Starts processes in a directory of their own, and ends them."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / f"log-{len(processes)}", "wb") as log:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait(DEADLINE_SECS)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Until it answers."""
    deadline = time.monotonic() + DEADLINE_SECS
    while True:
        assert server.poll() is None and time.monotonic() < deadline, "the server did not start"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.02)


def test_a_master_and_two_workers(start, tmp_path: Path) -> None:
    splitcost = str(Path(sys.executable).parent / "splitcost")
    (tmp_path / "served.py").write_text(APP)
    (tmp_path / "shop.toml").write_text(REQUESTS)
    port, master_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    server = start(
        sys.executable, "-m", "uvicorn", "served:app", "--port", str(port), "--log-level", "warning"
    )
    wait_for(url, server)

    export = [splitcost, "bench", url, "--requests-file", "shop.toml", "--export", "locust", "load.py"]
    subprocess.run(export, cwd=tmp_path, check=True, timeout=DEADLINE_SECS)
    locust = (sys.executable, "-m", "locust", "-f", "load.py", "--headless")
    place = ("--master-port", str(master_port))
    workers = ("--worker", "--master-host", "127.0.0.1")
    master = start(
        *locust, "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(master_port),
        "--expect-workers", "2", "--users", "4", "--spawn-rate", "4", "--run-time", "3s", "--csv", "results",
    )  # fmt: skip
    both = [start(*locust, *workers, *place) for _ in range(2)]
    # The status of Locust's master tells that there were failures.
    assert master.wait(DEADLINE_SECS) == 1
    assert [worker.wait(DEADLINE_SECS) for worker in both] == [0, 0]

    read = [splitcost, "bench", "--import-locust", "results", "--format", "json"]
    told = subprocess.run(read, cwd=tmp_path, capture_output=True, check=True, timeout=DEADLINE_SECS)
    found = json.loads(told.stdout)
    requests = {request["name"]: request for request in found["requests"]}
    assert set(requests) == {"GET /items/{id}", "POST /orders", "expected", "GET /broken"}
    for name in ("GET /items/{id}", "POST /orders", "expected"):
        assert requests[name]["ok"] > 0 and requests[name]["failed"] == [], requests[name]
    broken = requests["GET /broken"]
    assert broken["ok"] == 0 and [failed["kind"] for failed in broken["failed"]] == ["status 503"]
    assert sum(request["ok"] for request in requests.values()) == found["ok"]
    assert found["throughput_reqs_per_sec"] > 0

    log = [splitcost, "bench", url, "--requests", "10", "--hdr", "load.hlog"]
    assert subprocess.run(log, cwd=tmp_path, capture_output=True, timeout=DEADLINE_SECS).returncode in (0, 1)
    assert (tmp_path / "load.hlog").read_text().count("Tag=GET_/_") == 2

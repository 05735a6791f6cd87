"""A request is followed from the server into handlers, tasks and threads."""

from __future__ import annotations

import importlib.metadata
import os
import socket
import subprocess
import sys
import textwrap
import time

import httpx
import pytest
from recorder_support import DEADLINE_SECS, end_group, environment


class Server:
    """uvicorn under the recorder, until it is ended."""

    def __init__(self, runs, *arguments, **more):
        self.runs = runs
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "shop.web:app", "--port", str(self.port), *arguments]
        runs.directory.mkdir(parents=True)
        self.stderr = runs.directory.parent / "stderr"
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                env=environment(runs.directory, **more),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        try:
            wait_until(self.answers)
        except BaseException:
            end_group(self.process)
            raise

    def answers(self):
        assert self.process.poll() is None, self.stderr.read_text()
        try:
            self.get("/openapi.json")
        except httpx.TransportError:
            return False
        return True

    def get(self, path, **options):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=DEADLINE_SECS, **options)

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_SECS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_group(self.process)


def wait_until(condition):
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + DEADLINE_SECS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_requests_are_trees(runs, loop):
    with Server(runs, "--loop", loop) as server:
        for path, named in [
            ("/plain/2", None),
            ("/later/1", None),
            ("/gathered/2", "GET /fan-out"),
            ("/pool/1", None),
            ("/session/1", None),
            ("/missing/1", None),
            ("/broken", None),
            ("/nowhere", None),
        ]:
            server.get(path, headers={"x-splitcost-request": named} if named else {})
        server.stop()
    (log,) = runs.logs()
    log.check()
    trees = {r["endpoint"]: (r["status"], log.tree(i)) for i, r in log.requests.items()}
    del trees["GET /openapi.json"]
    root = "(framework):(asgi)"
    assert trees == {
        "GET /plain/{n}": (
            200,
            [root, "  shop.web:plain (thread)", "    shop.orders:total", *["      shop.pricing:quote"] * 2],
        ),
        "GET /later/{n}": (200, [root, "  shop.web:later", "    shop.pricing:later"]),
        "GET /fan-out": (200, [root, "  shop.web:gathered", *["    shop.pricing:later (task)"] * 2]),
        "GET /pool/{n}": (200, [root, "  shop.web:pool", "    shop.pricing:quote (thread)"]),
        "GET /session/{n}": (
            200,
            [
                root,
                "  shop.web:session (thread)",
                "    shop.pricing:Session.__init__",
                "  shop.web:with_session (thread)",
                "    shop.pricing:with_session",
            ],
        ),
        "GET /missing/{n}": (404, [root, "  shop.web:missing", "    shop.pricing:quote"]),
        "GET /broken": (500, [root, "  shop.web:broken", "    shop.pricing:refuse"]),
        "GET /nowhere": (404, [root]),
    }


def test_two_requests_in_flight_on_one_loop_are_told_apart(runs):
    import concurrent.futures

    with Server(runs) as server:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(server.get, f"/meet/{n}") for n in (10, 20)]
            assert sorted(answer.result().json() for answer in answers) == [13, 23]
        server.stop()
    (log,) = runs.logs()
    log.check()
    meetings = [i for i, r in log.requests.items() if r["endpoint"] == "GET /meet/{n}"]
    later = "    shop.pricing:later"
    tree = ["(framework):(asgi)", "  shop.web:meet", later, later, "    shop.pricing:quote"]
    assert [log.tree(i) for i in meetings] == [tree, tree]
    first, second = (log.requests[i] for i in meetings)
    starts = [next(c for c in log.calls.values() if c.request == i and not c.parent).times for i in meetings]
    assert starts[1][0] < starts[0][-1], (first, second)


def test_workers_have_logs_of_their_own(runs):
    with Server(runs, "--workers", "2") as server:
        for _ in range(20):
            server.get("/later/1")
        server.stop()
    logs = [log for log in runs.logs() if log.requests]
    for log in logs:
        log.check()
    assert sum(log.counts["shop.pricing:later"] for log in logs) == 20


def test_what_was_flushed_survives_kill_9(runs):
    with Server(runs) as server:
        server.get("/later/1")
        wait_until(lambda: any("shop.pricing:later" in log.counts for log in runs.logs()))
        server.process.kill()
        server.process.wait(DEADLINE_SECS)
    (log,) = runs.logs()
    assert log.damage is None
    assert log.tree(log.request_named("GET /later/{n}"))[1:] == ["  shop.web:later", "    shop.pricing:later"]


def test_each_test_is_a_request(runs, tmp_path):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import asyncio
        from fastapi.testclient import TestClient
        from shop import orders, web

        def test_plain():
            orders.total(1)

        def test_task():
            asyncio.run(orders.tasked(1))

        def test_web():
            assert TestClient(web.app).get("/later/1").status_code == 200

        def test_fails():
            assert orders.total(1) == 7
        """)
    )
    # Where splitcost is installed, pytest finds the plugin by itself.
    is_installed = importlib.metadata.entry_points(group="pytest11", name="splitcost")
    plugin = () if is_installed else ("-p", "splitcost.pytest_plugin")
    (log,) = runs.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "test_it.py", ok=False)
    assert "1 failed, 3 passed" in runs.stdout
    log.check()
    trees = {r["endpoint"]: log.tree(i) for i, r in log.requests.items()}
    total = ["(framework):(test)", "  shop.orders:total", "    shop.pricing:quote"]
    assert trees["test_it.py::test_plain"] == total
    assert trees["test_it.py::test_fails"] == total
    assert trees["test_it.py::test_task"] == [
        "(framework):(test)",
        "  shop.orders:tasked (task)",
        "    shop.pricing:quote",
        "    shop.pricing:later (task)",
    ]
    assert trees["test_it.py::test_web"][0] == "(framework):(test)"
    names = [line.split()[0] for line in trees["test_it.py::test_web"]]
    assert names[1:] == ["shop.web:later", "shop.pricing:later"]
    failed = next(c for c in log.calls.values() if c.request == log.request_named("test_it.py::test_fails"))
    assert failed.exception == "AssertionError"


def test_a_main_program_that_starts_its_own_server_is_not_their_caller(runs, tmp_path):
    """`python -m shop.serve` runs a loop below a recorded function; its requests are still requests."""
    log = runs.code(
        "import shop.web, httpx\n"
        "async def ask():\n"
        "    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.web.app)) as client:\n"
        "        return (await client.get('http://app/gathered/2')).status_code\n"
        "assert pricing.with_callback(lambda _: asyncio.run(ask())) == 200\n"
    )
    assert log.tree(log.request_named("GET /gathered/{n}")) == [
        "(framework):(asgi)",
        "  shop.web:gathered",
        *["    shop.pricing:later (task)"] * 2,
    ]


def test_environment_reaches_children(runs):
    (parent, child) = sorted(
        runs.run(
            "-c",
            "import subprocess, sys; from shop import orders; orders.total(1)\n"
            "subprocess.run([sys.executable, '-c', 'from shop import orders; orders.total(2)'], check=True)",
        ),
        key=lambda log: log.counts["shop.pricing:quote"],
    )
    assert (parent.counts["shop.pricing:quote"], child.counts["shop.pricing:quote"]) == (1, 2)
    assert parent.process["pid"] != child.process["pid"] and os.getpid() not in (
        parent.process["pid"],
        child.process["pid"],
    )

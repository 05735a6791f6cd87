"""Jobs, commands and messages are requests, each with its handler."""

from __future__ import annotations

import subprocess
import sys
import threading

import httpx
import pytest
from recorder_support import DEADLINE_SECS, Log, environment
from server_support import STORE, free_port, served, wait_until

JOB, COMMAND = "(framework):(job)", "(framework):(command)"


def requests(logs: list[Log]) -> dict[str, tuple[str | None, list[str]]]:
    """The handler and the tree of the requests, by endpoint."""
    for log in logs:
        assert (log.damage, log.troubles) == (None, [])
    ended = [(log, i, r) for log in logs for i, r in log.requests.items() if r.get("endpoint")]
    return {r["endpoint"]: (r["handler"], log.tree(i)) for log, i, r in ended}


def tree(root: str, handler: str) -> tuple[str, list[str]]:
    return handler, [root, f"  {handler}", "    store.pricing:price"]


def test_rq(runs, redis):
    pytest.importorskip("rq")
    logs = runs.run("-m", "store.by_rq", redis, **STORE)
    assert requests(logs) == {
        "store.tasks.item": tree(JOB, "store.tasks:item"),
        "store.tasks.absent": (None, [JOB]),
    }
    assert {name for log in logs for name in log.servers} == {"rq"}


def test_arq(runs, redis):
    pytest.importorskip("arq")
    logs = runs.run("-m", "store.by_arq", redis, **STORE)
    assert requests(logs)["later"] == tree(JOB, "store.tasks:later")


@pytest.mark.parametrize(("runner", "name"), [("dramatiq", "price"), ("apscheduler", "store.tasks:item")])
def test_jobs_of_one_process(runs, runner, name):
    pytest.importorskip(runner)
    (log,) = runs.run("-m", f"store.by_{runner}", **STORE)
    assert requests([log]) == {name: tree(JOB, "store.tasks:item")}
    assert log.servers == [runner]


def test_celery_with_processes(runs):
    pytest.importorskip("celery")
    command = ("-m", "celery", "-A", "store.by_celery", "worker", "-c", "1", "--without-heartbeat")
    with served(runs, *command, port=False) as server:
        subprocess.run(
            [sys.executable, "-m", "store.by_celery", "3"],
            env=environment(runs.directory, SPLITCOST_MODE="none"),
            cwd=runs.directory.parent,
            check=True,
            timeout=DEADLINE_SECS,
        )
        found = server.requests(3)
    assert requests([log for log, _ in found]) == {
        "store.by_celery.item": tree(JOB, "store.by_celery:item"),
    }


@pytest.mark.parametrize(
    ("module", "arguments", "name"),
    [("by_click", ("price",), "shop price"), ("by_typer", (), "price")],
)
def test_commands(runs, module, arguments, name):
    pytest.importorskip(module.removeprefix("by_"))
    (log,) = runs.run("-m", f"store.{module}", *arguments, "3", **STORE)
    found = requests([log])
    # The callback of the group is a command of its own.
    found.pop("shop", None)
    assert found == {name: tree(COMMAND, f"store.{module}:price")}
    assert log.servers == [module.removeprefix("by_")]


def test_a_command_that_serves_is_no_request(runs):
    port = free_port()

    def ask() -> None:
        def answered() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/a", timeout=DEADLINE_SECS).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answered)

    thread = threading.Thread(target=ask)
    thread.start()
    (log,) = runs.run("-m", "store.by_click", "serve", str(port), **STORE)
    thread.join(DEADLINE_SECS)
    assert requests([log])["GET /a"][1] == [
        "(framework):(wsgi)",
        "  store.by_wsgi:app",
        "    store.pricing:price",
    ]
    assert "shop serve" not in requests([log])


@pytest.mark.parametrize("way", ["main", "threads", "tasks"])
def test_each_message_of_a_consumer_is_a_request(runs, way):
    handler = "store.consumer:handle_later" if way == "tasks" else "store.consumer:handle"
    (log,) = runs.run("-m", "store.consumer", way, SPLITCOST_ENTRY_POINTS=handler, **STORE)
    assert (log.damage, log.troubles) == (None, [])
    ended = [(r["endpoint"], r["handler"], log.tree(i)) for i, r in log.requests.items() if r["endpoint"]]
    assert ended == [(handler, handler, [handler, "  store.pricing:price"])] * 2

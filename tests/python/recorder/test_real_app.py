"""An app that nobody here wrote: datasette, on a small SQLite file."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys

import httpx
from recorder_support import DEADLINE_SECS, end_group, environment
from test_requests import wait_until


def test_datasette(runs, tmp_path):
    with sqlite3.connect(tmp_path / "small.db") as database:
        database.execute("create table animals (id integer primary key, name text)")
        database.executemany("insert into animals (name) values (?)", [("owl",), ("fox",), ("vole",)])
    database.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "datasette", "small.db", "--port", str(port)],
            cwd=tmp_path,
            env=environment(runs.directory, SPLITCOST_PACKAGES="datasette"),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )

    def answers():
        assert process.poll() is None, (tmp_path / "stderr").read_text()
        try:
            return httpx.get(f"{url}/-/versions.json", timeout=DEADLINE_SECS).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers)
        rows = httpx.get(f"{url}/small/animals.json?_shape=array", timeout=DEADLINE_SECS).json()
        assert [row["name"] for row in rows] == ["owl", "fox", "vole"]
        process.terminate()
        process.wait(DEADLINE_SECS)
    finally:
        end_group(process)
    (log,) = runs.logs()
    assert (log.troubles, log.damage) == ([], None)
    request = log.request_named("GET /{database}/{table}")
    tree = log.tree(request)
    assert tree[0] == "(framework):(asgi)"
    names = [line.split()[0] for line in tree]
    assert "datasette.database:Database.execute" in names
    # The query runs on a thread of datasette's own pool, on behalf of the call that handed it over.
    assert any(line.endswith("(thread)") for line in tree)
    calls = [call for call in log.calls.values() if call.request == request]
    assert all(call.events[-1] == "leave" for call in calls)
    assert log.requests[request]["status"] == 200
    assert log.requests[request]["handler"].startswith("datasette.views:")
    assert b"vole" not in log.path.read_bytes()

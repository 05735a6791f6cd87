"""Programs that others' tools have broken, each compared with its output without the recorder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from recorder_support import DEADLINE_SECS, Log, environment

CASES = Path(__file__).parent / "cases"
MONITORING = sys.version_info >= (3, 12)
#: The line in which a case prints `sys.getprofile()`, after `sys.gettrace()`.
PROFILE = re.compile(r"(interpreter \(True, None, )<.*>(, True, 'TextIOWrapper')")


def run(runs, case: str, *arguments: str) -> tuple[int, list[Log]]:
    """Run a case's program; return its status and its logs, the oldest first."""
    directory = runs.directory.parent / case
    shutil.copytree(CASES / case, directory, dirs_exist_ok=True)
    path = environment(runs.directory)["PYTHONPATH"]
    process = subprocess.run(
        [sys.executable, "run.py", *arguments],
        env=environment(runs.directory, SPLITCOST_PACKAGES="app", PYTHONPATH=path),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECS,
    )
    runs.stderr = process.stderr
    return process.returncode, runs.logs()


def same(runs, case: str, troubles: Sequence[str] = ()) -> Log:
    """Run a case, which writes to `got.txt` what it expects; return its log."""
    status, (log,) = run(runs, case, "got.txt")
    assert status == 0, runs.stderr
    directory = runs.directory.parent / case
    got = (directory / "got.txt").read_text()
    if not MONITORING:  # The slow mode is a profile function, which a program can see.
        got = PROFILE.sub(r"\1None\2", got)
    assert got == (directory / "expected.txt").read_text()
    assert log.troubles == list(troubles)
    log.troubles.clear()
    log.check()
    return log


@pytest.mark.skipif(not MONITORING, reason="needs sys.monitoring")
def test_other_users_of_sys_monitoring_see_what_they_see_without_us(runs):
    log = same(runs, "monitoring")
    assert log.counts["app.back:work"] == 12


@pytest.mark.skipif(not MONITORING, reason="needs eager tasks")
def test_calls_are_followed_through_tasks_and_no_context_variable_changes(runs):
    log = same(runs, "contexts")
    fetched = [log.parent_name(call) for call in log.named("app.back:fetch")]
    assert sorted(fetched) == ["app.front:cancelled"] * 2 + ["app.front:fan_out"] * 8


def test_nothing_differs_by_introspection(runs):
    same(runs, "introspection")


def test_greenlets_that_take_turns_do_no_harm(runs):
    pytest.importorskip("greenlet")
    log = same(
        runs, "greenlets", ["greenlets took turns on a thread: their calls may stand below the wrong caller"]
    )
    assert all(call.events[-1] == "leave" and call.times == sorted(call.times) for call in log.calls.values())
    leaves = log.named("app.back:leaf")
    assert [log.parent_name(call) for call in leaves] == ["app.front:plain"] * 4


def test_values_that_watch_are_not_looked_at(runs):
    log = same(runs, "watched")
    assert log.counts["app.back:take"] == 40
    classes = [call.payloads[False]["class"] for call in log.named("app.back:take")[::5] if call.payloads]
    assert classes[:2] == ["adapter", "live"]


def test_no_code_of_the_app_runs_in_a_look(runs):
    log = same(runs, "evil")
    assert log.counts["app.back:take"] == 36


ENDINGS = dict(line.split() for line in (CASES / "endings" / "expected.txt").read_text().splitlines())


@pytest.mark.parametrize("way", ENDINGS)
def test_what_was_called_before_a_process_ended_is_in_its_log(runs, way):
    status, logs = run(runs, "endings", way)
    expected = int(ENDINGS[way])
    assert status == (expected if expected < 128 else 128 - expected)
    assert [line for line in runs.stderr.splitlines() if "slow mode" not in line] == []
    # A forked child has a log of its own.
    leaves = sorted(len(log.named("app.back:leaf")) for log in logs)
    assert leaves[-1] >= 20 and all(count == 3 for count in leaves[:-1])


def test_an_app_with_its_own_handler_of_sigterm_keeps_it(runs):
    (log,) = runs.run(
        "-c",
        "import os, signal, sys\n"
        "from shop import orders\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "orders.total(2)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "assert False\n",
    )
    assert len(log.named("shop.pricing:quote")) == 2


def test_suites_that_turn_warnings_into_errors(runs, tmp_path):
    """As an installed plugin, whose package is then imported before pytest is."""
    installed = tmp_path / "installed"
    metadata = installed / "splitcost-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: splitcost\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nsplitcost = splitcost.pytest_plugin\n")
    (metadata / "RECORD").write_text("splitcost/__init__.py,,\nsplitcost/pytest_plugin.py,,\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        from shop import orders

        def test_total():
            assert orders.total(2) == 3
        """)
    )
    path = f"{environment(runs.directory)['PYTHONPATH']}:{installed}"
    (log,) = runs.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py", PYTHONPATH=path)
    log.check()
    assert log.request_named("test_it.py::test_total")


def test_several_processes_of_pytest_xdist(runs, tmp_path):
    pytest.importorskip("xdist")
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import pytest
        from shop import orders

        @pytest.mark.parametrize("n", range(8))
        def test_total(n):
            orders.total(2)
        """)
    )
    logs = runs.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "test_it.py")
    assert sum(len(log.named("shop.pricing:quote")) for log in logs) == 16

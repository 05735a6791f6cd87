"""The recorder never breaks the app."""

from __future__ import annotations

import sys
from pathlib import Path

from recorder_support import PACKAGE, environment

MONITORING = sys.version_info >= (3, 12)


def test_a_log_that_cannot_be_written_switches_the_recorder_off(runs):
    (logs) = runs.run(
        "-c",
        "import os, glob, time\n"
        "from shop import orders\n"
        "from splitcost import _native\n"
        "orders.total(1)\n"
        "for path in glob.glob(os.environ['SPLITCOST_LOG_DIR'] + '/*'): os.unlink(path)\n"
        "os.rmdir(os.environ['SPLITCOST_LOG_DIR'])\n"
        "deadline = time.monotonic() + 30\n"
        "while _native.is_on() and time.monotonic() < deadline: orders.total(1)\n"
        "assert not _native.is_on()\n"
        "assert orders.total(3) == 6\n",
    )
    assert logs == []
    lines = [line for line in runs.stderr.splitlines() if "switched off" in line]
    assert len(lines) == 1 and "cannot be written" in lines[0]


def test_trouble_is_in_the_log_and_what_was_before_stays(runs):
    (log,) = runs.run(
        "-c",
        "from shop import orders\n"
        "from splitcost import _native\n"
        "orders.total(2)\n"
        "_native.switch_off('a test says so')\n"
        "orders.total(2)\n",
    )
    assert log.troubles == ["a test says so"]
    assert len(log.named("shop.pricing:quote")) == 2


def test_without_a_log_directory_the_app_runs(runs):
    assert runs.run("-c", "from shop import orders; print(orders.total(3))", SPLITCOST_LOG_DIR="") == []
    assert runs.stdout == "6\n"
    assert "cannot record" in runs.stderr


def test_without_the_package_the_app_runs(runs):
    apps = environment(runs.directory)["PYTHONPATH"].rpartition(":")[2]
    bootstrap = runs.directory.parent / "bootstrap"
    bootstrap.mkdir()
    (bootstrap / "sitecustomize.py").write_text((PACKAGE / "_bootstrap" / "sitecustomize.py").read_text())
    # The package that these tests run with may be installed: here it is not to be found.
    (bootstrap / "splitcost.py").write_text("raise ModuleNotFoundError(\"No module named 'splitcost'\")\n")
    runs.run(
        "-c",
        "from shop import orders; print(orders.total(3))",
        PYTHONPATH=f"{bootstrap}:{runs.directory.parent}:{apps}",
        SPLITCOST_MODE="rehearse",
        SPLITCOST_REHEARSAL="/nowhere",
    )
    assert runs.stdout == "6\n"


def test_another_sitecustomize_still_runs(runs, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import builtins\nbuiltins.other_ran = __file__\n")
    path = environment(tmp_path)["PYTHONPATH"]
    code = "from shop import orders; orders.total(1); print(other_ran)"
    (log,) = runs.run("-c", code, PYTHONPATH=f"{path}:{other}")
    assert Path(runs.stdout.strip()).parent == other
    assert log.counts["shop.pricing:quote"] == 1


def test_a_forked_child_has_a_log_of_its_own(runs):
    logs = runs.run(
        "-W",
        "error",
        "-c",
        "import os\n"
        "from shop import orders\n"
        "orders.total(1)\n"
        "pid = os.fork()\n"
        "orders.total(2)\n"
        "if pid == 0:\n"
        "    from splitcost import _native\n"
        "    _native.finish()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n",
    )
    assert len(logs) == 2
    for log in logs:
        log.check()
    counts = sorted(log.counts["shop.pricing:quote"] for log in logs)
    assert counts == [2, 3]


def test_a_child_forked_inside_a_call_begins_with_nothing_open(runs):
    logs = runs.run(
        "-c",
        "import os\n"
        "from shop import orders, pricing\n"
        "def fork(_):\n"
        "    pid = os.fork()\n"
        "    if pid: assert os.waitpid(pid, 0)[1] == 0\n"
        "    return pid\n"
        "if pricing.with_callback(fork) == 0:\n"
        "    orders.total(1)\n",
    )
    assert len(logs) == 2
    for log in logs:
        log.check()


def test_multiprocessing(runs):
    logs = runs.run(
        "-c",
        "import multiprocessing\n"
        "from shop import orders\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "        assert pool.map(orders.total, [1, 2, 3]) == [1, 3, 6]\n"
        "        pool.close(); pool.join()\n",
    )
    assert "Traceback" not in runs.stderr
    # The parent's log, and one of each process of the pool.
    assert len({log.process["pid"] for log in logs}) == len(logs) == 3
    for log in logs:
        log.check()
    assert sum(log.counts.get("shop.orders:total", 0) for log in logs) == 3


def test_cprofile_works_beside_the_recorder(runs):
    (log,) = runs.run(
        "-c",
        "import cProfile\n"
        "from shop import orders\n"
        "p = cProfile.Profile()\n"
        "p.runcall(orders.total, 5)\n"
        "p.create_stats()\n"
        "assert any(key[2] == 'quote' for key in p.stats)\n",
    )
    if MONITORING:  # 3.11 has a single profile function: cProfile takes the recorder's place.
        assert log.counts["shop.pricing:quote"] == 5


def test_many_threads(runs):
    log = runs.code(
        "import concurrent.futures\n"
        "with concurrent.futures.ThreadPoolExecutor(8) as pool:\n"
        "    list(pool.map(orders.total, [50] * 200))\n"
    )
    assert log.counts["shop.pricing:quote"] == 200 * 50
    assert len(log.requests) == 200


def test_generators_dropped_by_the_collector(runs):
    (log,) = runs.run(
        "-c",
        "from shop import pricing\n"
        "for i in range(3000):\n"
        "    g = pricing.numbers(3); next(g)\n"
        "    if i % 2: g.close()\n"
        "del g\n",
    )
    assert log.troubles == []
    assert log.counts["shop.pricing:numbers"] == 3000

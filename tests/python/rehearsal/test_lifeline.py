"""Nothing outlives splitcost: processes that hold its lifeline end with its writer, and no others do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rehearsal_support import PACKAGE_PARENT, wait_for

BOOTSTRAP = PACKAGE_PARENT / "splitcost" / "_bootstrap"


class Lifeline:
    """A FIFO with a writer, as a run of splitcost holds it, and processes that write their ids to a file."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lifeline"
        self.pids = directory / "pids"
        self.pids.touch()
        os.mkfifo(self.path)
        self._writer: int | None = os.open(self.path, os.O_RDWR)
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, script: str, group: int = 0) -> subprocess.Popen[bytes]:
        """Run Python code in a process group of its own, or in a group that splitcost shares with others."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (BOOTSTRAP, PACKAGE_PARENT))),
            "SPLITCOST_MODE": "none",
            "SPLITCOST_LIFELINE": f"{group or os.getpgrp()}:{self.path}",
            "PIDS": str(self.pids),
        }
        command = [sys.executable, "-c", SAY + script]
        self.started.append(subprocess.Popen(command, env=environment, process_group=group))
        return self.started[-1]

    def wait_for_pids(self, count: int) -> list[int]:
        """The ids of the processes, once so many have registered."""

        def registered() -> list[int]:
            found = [
                int(line) for line in self.pids.read_text().splitlines(keepends=True) if line[-1] == "\n"
            ]
            return found if len(found) == count else []

        found: list[int] = wait_for(registered, f"{count} processes in {self.pids.read_text()!r}")
        return found

    def cut(self) -> None:
        """End as a killed splitcost does."""
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None

    def end(self) -> None:
        self.cut()
        for process in self.started:
            process.kill()
            process.wait()
        for pid in map(int, self.pids.read_text().split()):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


SAY = """
import multiprocessing, os, subprocess, sys, time
def say():
    with open(os.environ["PIDS"], "a") as file:
        file.write(f"{os.getpid()}\\n")
def stay():
    say()
    time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    made = Lifeline(tmp_path)
    try:
        yield made
    finally:
        made.end()


FAMILIES = {
    "itself": "stay()",
    "a fork": "os.fork()\nstay()",
    "a fork that leads a session": "if not os.fork():\n    os.setsid()\n    os.fork()\nstay()",
    "a child without its environment": (
        "shell = f'echo $$ >> {os.environ[\"PIDS\"]}; sleep 600; :'\n"
        "subprocess.Popen(['env', '-i', 'sh', '-c', shell])\nstay()"
    ),
    "a new session": (
        "code = 'import os, sys, time; print(os.getpid(), file=open(sys.argv[1], \"a\"), flush=True)'\n"
        "arguments = [sys.executable, '-c', code + '; time.sleep(600)', os.environ['PIDS']]\n"
        "subprocess.Popen(arguments, start_new_session=True)\nstay()"
    ),
    "multiprocessing's fork": "multiprocessing.get_context('fork').Process(target=stay).start()\nstay()",
}
PROCESSES = {"itself": 1, "a fork that leads a session": 3}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_process_ends_with_splitcost(lifeline: Lifeline, family: str) -> None:
    lifeline.start(FAMILIES[family])
    pids = lifeline.wait_for_pids(PROCESSES.get(family, 2))
    assert all(map(is_alive, pids))
    lifeline.cut()
    wait_for(lambda: not any(map(is_alive, pids)), f"the end of {pids}")


def test_a_group_that_splitcost_shares_with_others_is_spared(lifeline: Lifeline) -> None:
    bystander = subprocess.Popen(["sleep", "600"], process_group=0)
    lifeline.started.append(bystander)
    member = lifeline.start("os.fork()\nstay()", group=bystander.pid)
    pids = lifeline.wait_for_pids(2)
    lifeline.cut()
    wait_for(lambda: not any(map(is_alive, pids)), f"the end of {pids}")
    assert member.wait(30) == -signal.SIGKILL
    assert bystander.poll() is None


def test_a_process_that_starts_too_late_ends_at_once(lifeline: Lifeline) -> None:
    lifeline.cut()
    assert lifeline.start("say()").wait(30) == -signal.SIGKILL
    assert lifeline.pids.read_text() == ""


def test_without_its_lifeline_an_app_runs_on(lifeline: Lifeline) -> None:
    lifeline.path.unlink()
    assert lifeline.start("say()").wait(30) == 0
    lifeline.wait_for_pids(1)


def test_the_app_does_not_notice(lifeline: Lifeline) -> None:
    """No thread, about which `os.fork` would warn; no descriptor in the app's range; no signal handler."""
    script = """
import signal, warnings
warnings.simplefilter("error")
assert len(os.listdir("/proc/self/task")) == 1
assert [os.open(os.devnull, os.O_RDONLY) for _ in range(4)] == [3, 4, 5, 6]
unhandled = (signal.SIG_DFL, signal.SIG_IGN, None)
handled = {number for number in signal.valid_signals() if signal.getsignal(number) not in unhandled}
assert handled <= {signal.SIGINT}, handled
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
say()
"""
    assert lifeline.start(script).wait(30) == 0
    lifeline.wait_for_pids(2)

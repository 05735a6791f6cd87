"""The recorder's memory is bounded, whatever the app abandons."""

from __future__ import annotations

import pytest

#: Abandoned calls; each holds an argument of 100 kB, and one in 64 of them is sampled.
CALLS = 100_000
#: Chosen: ten times what a busy machine takes in the slow mode.
DEADLINE_SECS = 900

PROGRAM = """
import gc, os, weakref
alive = 0

def gone(_):
    global alive
    alive -= 1

def argument():
    global alive
    line = pricing.Line("a", tags=[bytearray(100_000)])
    alive += 1
    watched.append(weakref.ref(line, gone))
    if len(watched) > 2000:
        del watched[:1000]
    return line

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

watched = []
{abandon}
for i in range(2000):
    abandon()
gc.collect()
assert alive == 0, alive
before = rss()
for i in range({calls}):
    abandon()
gc.collect()
assert alive == 0, alive
grown = (rss() - before) >> 20
assert grown < 40, f"{{grown}} MB"
"""

GENERATOR = """
def abandon():
    generator = pricing.give(argument())
    next(generator)
"""

COROUTINE = """
def abandon():
    coroutine = pricing.hold(argument())
    coroutine.send(None)
"""

# Frames that live side by side have addresses of their own.
MANY_AT_ONCE = """
waiting = []
def abandon():
    generator = pricing.give(argument())
    next(generator)
    waiting.append(generator)
    if len(waiting) == 20:
        waiting.clear()
"""

THROUGH_A_CYCLE = """
def abandon():
    line = argument()
    generator = pricing.give(line)
    next(generator)
    line.tags.append(generator)
    if i % 50 == 0:
        gc.collect()
"""


@pytest.mark.parametrize(
    "abandon",
    [GENERATOR, COROUTINE, MANY_AT_ONCE, THROUGH_A_CYCLE],
    ids=["generator", "coroutine", "many at once", "cycle"],
)
def test_abandoned_calls_hold_nothing(runs, abandon):
    calls = CALLS if abandon != THROUGH_A_CYCLE else CALLS // 10
    code = "from shop import pricing\n" + PROGRAM.format(abandon=abandon, calls=calls)
    (log,) = runs.run("-c", code, deadline_secs=DEADLINE_SECS)
    assert log.troubles == []
    (name,) = (name for name in log.counts if name in ("shop.pricing:give", "shop.pricing:hold"))
    assert log.counts[name] == calls + 2000


def test_a_call_in_a_fork_lets_go_of_its_arguments(runs):
    """The child's copy of a sampled call ends with the fork."""
    runs.run(
        "-c",
        "import os, weakref\n"
        "from shop import pricing\n"
        "line = pricing.Line('a')\n"
        "seen = weakref.ref(line)\n"
        "pid = pricing.with_two(line, os.fork)\n"
        "del line\n"
        "if pid == 0: os._exit(0 if seen() is None else 1)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n",
    )

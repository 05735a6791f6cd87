"""``python -m splitcost.yardstick`` measures the speed of the machine, on each core, again and again.

Virtual machines share their cores with others, and a core may take twice as long for the same work from one
second to the next. Therefore recordings and calibrations have a yardstick beside them: fixed work, done on
each core in turn some twenty times a second, for less than one percent of a core. It prints JSON arrays, one
a line, ``[monotonic nanoseconds, thread CPU nanoseconds]``, until its standard input ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time

PAUSE_SECS = 0.02
"""Pause after each measurement. Chosen: twenty measurements a second of each of two cores."""

STEPS = 600
"""Steps of the measured work. Chosen: less than 0.1 ms on most machines."""

WARM_UP_STEPS = 150
"""Steps of the work before it. Chosen: enough to warm the core's caches."""


def work(steps: int) -> dict[int, str]:
    """Do typical work of Python code: look up, call, allocate, convert."""
    table: dict[int, str] = {}
    for i in range(steps):
        table[i % 97] = str(i)
    return table


def main() -> None:
    """Measure until standard input ends."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    cores = sorted(os.sched_getaffinity(0))
    while True:
        for core in cores:
            os.sched_setaffinity(0, {core})
            work(WARM_UP_STEPS)
            began = time.thread_time_ns()
            work(STEPS)
            print(f"[{time.monotonic_ns()}, {time.thread_time_ns() - began}]", flush=True)
            time.sleep(PAUSE_SECS)


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()

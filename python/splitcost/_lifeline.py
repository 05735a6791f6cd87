"""Ties the life of this process, and of its process group, to the splitcost that started it.

splitcost holds a FIFO open for writing as long as it lives. :func:`hold` opens it for reading and asks the
kernel for SIGKILL when the last writer is gone, however that came about. After that nothing runs here: no
thread, no timer and no signal handler is added to the app.
"""

from __future__ import annotations

import fcntl
import os
import signal

__all__ = ["hold"]

LIFELINE = "SPLITCOST_LIFELINE"
"""Environment variable, ``GROUP:PATH``: the process group that is spared, and the FIFO."""

LOWEST_FD = 1000
"""Where descriptors are put. Chosen: the app's own get the numbers that they would get without us."""


def hold() -> None:
    """Tie this process and all that it forks, if the environment names a lifeline.

    A process that starts when splitcost has ended already is killed. A lifeline that cannot be opened from
    here, as in a container of its own, ties nothing.
    """
    group, _, path = os.environ.get(LIFELINE, "").partition(":")
    if not path:
        return
    spared = int(group)
    _hold(path, spared)
    # What is forked may leave the group, and the process that the kernel would signal is another one then.
    os.register_at_fork(after_in_child=lambda: _hold(path, spared))


def _hold(path: str, spared: int) -> None:
    """Tie the process, and its group unless that is the one that splitcost shares with others."""
    group = os.getpgrp()
    try:
        _tie(path, os.getpid())
        if group != spared:
            _tie(path, -group)
    except OSError:
        pass  # Without a lifeline the app runs on: splitcost's guard, or its next run, ends what is left.


def _tie(path: str, owner: int) -> None:
    """Have ``owner``, a process or (negative) a group, killed when the FIFO has no writer."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        held = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, LOWEST_FD)
    except OSError:  # So many descriptors are not allowed here.
        held = opened
    else:
        os.close(opened)
    fcntl.fcntl(held, fcntl.F_SETOWN, owner)
    fcntl.fcntl(held, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(held, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    try:
        is_broken = os.read(held, 1) == b""
    except BlockingIOError:  # There is a writer: nothing to read yet.
        is_broken = False
    if is_broken:  # Before we asked the kernel, so that the kernel reports nothing.
        os.kill(owner, signal.SIGKILL)

"""Counts calls between modules by a plain profile function, for comparison with a recording.

Put this directory on PYTHONPATH. The environment says what to count: ``COUNT_PACKAGES`` and ``COUNT_MODULES``,
separated by spaces, as in splitcost.toml, and ``COUNT_DIRECTORY``, where each process writes its counts whenever a file
of the name ``mark.N`` appears there. A call is the start of a function of the app whose caller is another module; code
of libraries belongs to the module that called it. A decorator's inner function counts as the function of the same
module that it decorates, where that is found by its name. There is no code of splitcost in here, on purpose.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import opcode
import os
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

MODULES = os.environ.get("COUNT_MODULES", "").split()
PACKAGES = os.environ.get("COUNT_PACKAGES", "").split()
DIRECTORY = Path(os.environ.get("COUNT_DIRECTORY", "."))
RESUME = opcode.opmap["RESUME"]
OPTIMIZED = 1  # Set for functions, and not for bodies of modules and classes.
COROUTINE = inspect.CO_COROUTINE

#: Calls by (calling module, called module, called function). An empty caller is a library that no app module called.
calls: Counter[tuple[str, str, str]] = Counter()
owners: dict[str, str] = {}
starts: dict[CodeType, int] = {}
#: The function that the code of a decorator stands for, by what that closes over; empty where it is its own.
decorated: dict[tuple[CodeType, FunctionType], str] = {}


def owner(name: str) -> str:
    """Return the module of the app that the code of a Python module belongs to, or an empty string."""
    found = owners.get(name)
    if found is None:
        found = owners[name] = _owner(name)
    return found


def _owner(name: str) -> str:
    parts = name.split(".")
    if parts[0] not in {package.partition(".")[0] for package in PACKAGES}:
        return ""
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in MODULES:
            return ".".join(parts[:length])
    return ".".join(parts[:2])


def functions_in(value: object) -> list[FunctionType]:
    """Return a function, or those that a descriptor or a cache of functools stands for."""
    held = [value, *(getattr(value, name, None) for name in ("__func__", "fget", "__wrapped__"))]
    known = (FunctionType, staticmethod, classmethod, property, functools._lru_cache_wrapper)
    return [part for part in held if isinstance(part, FunctionType)] if isinstance(value, known) else []


def closed_over(function: FunctionType) -> list[FunctionType]:
    """Return the functions that a function closes over."""
    found = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):
            found += functions_in(cell.cell_contents)
    return found


def around(function: FunctionType) -> list[FunctionType]:
    """Return a function and all that it closes over, directly or not: a recursive one closes over itself."""
    found = [function]
    for outer in found:
        found += [inner for inner in closed_over(outer) if inner not in found]
    return found


def function_of(frame: FrameType) -> str:
    """Return the name of the function that a frame is a call of: the decorated one for its decorator."""
    code = frame.f_code
    if "<locals>" not in code.co_qualname or code.co_qualname.endswith(">"):
        return code.co_qualname
    for inner in [part for name in code.co_freevars for part in functions_in(frame.f_locals.get(name))]:
        if (code, inner) not in decorated:
            decorated[code, inner] = _decorated(frame, inner)
        if found := decorated[code, inner]:
            return found
    return code.co_qualname


def _decorated(frame: FrameType, inner: FunctionType) -> str:
    code = frame.f_code
    for function in around(inner):
        name = function.__code__.co_qualname
        if "<locals>" in name:
            continue
        if owner(function.__module__) != owner(frame.f_globals.get("__name__", "")):
            return ""
        kept: Any = sys.modules.get(function.__module__)
        for part in name.split("."):
            kept = vars(kept).get(part) if hasattr(kept, "__dict__") else None
        is_maker = function.__code__.co_flags & COROUTINE and not code.co_flags & COROUTINE
        for outer in [part for held in functions_in(kept) for part in around(held)]:
            if outer.__code__ is code and inner in closed_over(outer) and not is_maker:
                return name
        return ""
    return ""


def is_start(frame: FrameType) -> bool:
    """Tell the start of a function from the resumption of a generator or coroutine."""
    code = frame.f_code
    start = starts.get(code)
    if start is None:
        ops = code.co_code
        start = next(at for at in range(0, len(ops), 2) if ops[at] == RESUME and not ops[at + 1] & 3)
        starts[code] = start
    return frame.f_lasti <= start


def profile(frame: FrameType, event: str, _: Any) -> None:
    """Count a call. What goes wrong ends the process: the interpreter would only stop counting, and say nothing."""
    try:
        count(frame, event)
    except BaseException:
        traceback.print_exc()
        os._exit(70)


def count(frame: FrameType, event: str) -> None:
    """Count a call, if this event is one between modules."""
    code = frame.f_code
    # Code without a file was generated, as the functions by which Celery checks arguments.
    if event != "call" or not code.co_flags & OPTIMIZED or code.co_filename.startswith("<"):
        return
    callee = owner(frame.f_globals.get("__name__", ""))
    if not callee or not is_start(frame):
        return
    back = frame.f_back
    caller = ""
    greenlets = sys.modules.get("greenlet")
    greenlet = greenlets.getcurrent() if greenlets is not None else None
    while True:
        if back is None and greenlet is not None and greenlet.parent is not None:
            # SQLAlchemy runs its synchronous half in a greenlet: the caller waits in the parent.
            greenlet = greenlet.parent
            back = greenlet.gr_frame
        if back is None:
            break
        # A task is begun by the loop, whoever runs the loop.
        if back.f_code.co_name == "_run" and back.f_code.co_filename.endswith("asyncio/events.py"):
            break
        if caller := owner(back.f_globals.get("__name__", "")):
            break
        back = back.f_back
    if caller != callee:
        calls[caller, callee, function_of(frame)] += 1


def write() -> None:
    """Write the counts at each mark."""
    number = 0
    while True:
        if (DIRECTORY / f"mark.{number}").exists():
            rows = [[*key, count] for key, count in list(calls.items())]
            partial = DIRECTORY / f"partial.{os.getpid()}"
            partial.write_text(json.dumps(rows))
            partial.rename(DIRECTORY / f"count.{number}.{os.getpid()}.json")
            number += 1
        time.sleep(0.05)


def begin() -> None:
    """Begin to count in this process."""
    threading.Thread(target=write, daemon=True).start()
    threading.setprofile(profile)
    sys.setprofile(profile)


if "COUNT_DIRECTORY" in os.environ:
    os.register_at_fork(after_in_child=begin)
    begin()

"""The profile function of the corpus, which is the second opinion on the recorder's counts."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = {
    "app/__init__.py": "",
    "app/items.py": """
import asyncio
from collections import namedtuple

Item = namedtuple("Item", "name")

def one():
    return inner()

def inner():
    return Item("x")

def several():
    yield from (1, 2, 3)

def logged(function):
    def wrapper(*args):
        return function(*args)
    return wrapper

@logged
def decorated():
    return inner()

async def awaited():
    await asyncio.sleep(0)
    await asyncio.sleep(0)

def recursive():
    def again(depth):
        return depth and again(depth - 1)
    return again
""",
    "app/web.py": """
import asyncio
import threading
from app import items
from outside import helper

def request():
    helper.twice(items.one)
    list(items.several())
    items.decorated()
    items.recursive()(3)
    thread = threading.Thread(target=items.one)
    thread.start()
    thread.join()
    asyncio.run(handler())

async def handler():
    await items.awaited()
    await asyncio.create_task(items.awaited())
""",
    "outside/__init__.py": "",
    "outside/helper.py": "def twice(call):\n    return call(), call()\n",
    "main.py": """
import os
import time
from pathlib import Path
from app import web

web.request()
directory = Path(os.environ["COUNT_DIRECTORY"])
(directory / "mark.0").touch()
deadline = time.monotonic() + 60
while not list(directory.glob("count.0.*.json")):
    assert time.monotonic() < deadline
    time.sleep(0.01)
""",
}


def test_starts_of_functions_are_counted_by_their_callers(tmp_path: Path) -> None:
    """Not resumptions, not calls inside a module, and a library's calls for the module that called it."""
    for name, source in PROGRAM.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    env = dict(os.environ) | {
        "PYTHONPATH": f"{ROOT / 'corpus' / 'count'}",
        "COUNT_DIRECTORY": str(tmp_path),
        "COUNT_PACKAGES": "app",
    }
    subprocess.run([sys.executable, "main.py"], cwd=tmp_path, env=env, timeout=120, check=True)
    (written,) = tmp_path.glob("count.0.*.json")
    assert sorted(json.loads(written.read_text())) == [
        ["", "app.items", "awaited", 1],  # A task.
        ["", "app.items", "one", 1],  # A thread.
        ["", "app.web", "handler", 1],
        ["", "app.web", "request", 1],
        ["app.web", "app.items", "awaited", 1],
        ["app.web", "app.items", "decorated", 1],  # The call of its decorator's function.
        ["app.web", "app.items", "one", 2],
        ["app.web", "app.items", "recursive", 1],
        ["app.web", "app.items", "recursive.<locals>.again", 1],  # It closes over itself.
        ["app.web", "app.items", "several", 1],
    ]

"""A fault in any step of the recorder leaves the app as it is, ends the recording, and is reported once."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from recorder_support import DEADLINE_SECS, PACKAGE, environment

#: A sitecustomize that starts the recorder as ours does, with a fault in one function of its native half.
FAULTY = """
import os, sys
from splitcost import _native, recorder

class Fault({base}):
    pass

def fault(*_args, **_kwargs):
    if os.environ.get("SPLITCOST_MODE") == "record":
        os.write(2, b"the fault was hit\\n")
        raise Fault("s3cr3t")

{inject}
exec(compile(open({real!r}).read(), {real!r}, "exec"), {{"__file__": __file__, "__name__": "sitecustomize"}})
"""

#: Requests through both entries, in order, with an answer, an error of the app, and an odd status.
WEB = """
import asyncio, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def answer(request):
    return PlainTextResponse(f"answer {pricing.quote(1)}")

def broken(request):
    raise KeyError("app")

app = Starlette(routes=[Route("/answer", answer), Route("/broken", broken)])
config = uvicorn.Config(app, lifespan="off", log_config=None)
config.load()

async def ask(app, path):
    said = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        said.append((message["type"], message.get("status"), message.get("body")))
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [], "http_version": "1.1", "scheme": "http", "server": ("a", 1), "client": ("b", 2),
             "root_path": "", "asgi": {"version": "3.0"}}
    try:
        await app(scope, receive, send)
    except Exception as error:
        said.append(repr(error))
    return said

async def lifespan(app):
    async def receive():
        return {"type": "lifespan.shutdown"}
    async def send(message):
        pass
    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    except AssertionError as error:  # Starlette waits for the startup first.
        print("lifespan", repr(error))

for entry in (config.loaded_app, app):
    for path in ("/answer", "/broken", "/nowhere"):
        print(asyncio.run(ask(entry, path)))
asyncio.run(lifespan(config.loaded_app))
"""

TASKS = """
import asyncio, contextvars
seen = contextvars.ContextVar("seen", default=0)

async def part(n):
    seen.set(seen.get() + n)
    await asyncio.sleep(0)
    if n == 2:
        raise ValueError(n)
    return n, seen.get(), await pricing.later(n)

def old_factory(loop, coro):
    return asyncio.Task(coro, loop=loop)

async def main(factory):
    if factory:
        asyncio.get_running_loop().set_task_factory(factory)
    seen.set(10)
    gathered = await asyncio.gather(*(part(n) for n in range(4)), return_exceptions=True)
    context = contextvars.copy_context()
    own = await asyncio.get_running_loop().create_task(part(5), context=context) if not factory else None
    return gathered, own, context[seen], seen.get(), await orders.gathered(2)

print(asyncio.run(main(None)))
print(asyncio.run(main(old_factory)))
"""

THREADS = """
import asyncio, concurrent.futures, anyio
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    done = [pool.submit(pricing.quote, n) for n in range(3)] + [pool.submit(pricing.refuse, 1)]
    print([repr(f.exception() or f.result()) for f in done])
async def main():
    return await asyncio.to_thread(pricing.quote, 1), await anyio.to_thread.run_sync(pricing.quote, 2)
print(asyncio.run(main()))
try:
    asyncio.run(anyio.to_thread.run_sync(pricing.refuse, 3))
except Exception as error:
    print(repr(error))
"""

IN_A_CALL = """
import textwrap
def outer(_):
    exec(textwrap.dedent(PROGRAM), globals())
pricing.with_callback(outer)
"""

FORK = """
import os
pid = os.fork()
if pid == 0:
    os._exit(orders.total(3))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), orders.total(4))
"""

PROCESSES = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(orders.total, [1, 2, 3]))
"""

CALLS = """
print(orders.total(3), orders.try_refused(1), orders.iterate(3, 1))
import asyncio
print(asyncio.run(orders.gathered(3)), asyncio.run(orders.cancelled()))
"""

TESTS = """
import subprocess, sys, pathlib, tempfile, re
with tempfile.TemporaryDirectory() as place:
    path = pathlib.Path(place, "test_it.py")
    lines = ["from shop import orders", "def test_good(): orders.total(1)"]
    lines += ["def test_bad(): assert orders.total(1) == 7"]
    path.write_text("\\n".join(lines))
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGIN, str(path)],
                         stdout=subprocess.PIPE, text=True)
print(run.returncode, re.findall(r"\\d+ (?:failed|passed)", run.stdout))
"""


def within_a_call(program: str) -> str:
    """The program, run by a call of the app: then there is an origin to hand on."""
    return f"PROGRAM = {program!r}\n" + IN_A_CALL


def native(name: str) -> str:
    """Inject the fault into a function of the native half."""
    return f"_native.{name} = fault"


CASES = {
    "register_root": (native("register_root"), WEB),
    "root": (native("root"), WEB),
    "root_done": (native("root_done"), WEB),
    "request_name": (native("request_name"), WEB),
    "is_on": (native("is_on"), WEB),
    "note_limit": (native("note_limit"), WEB),
    "flush": (native("flush"), WEB),
    "finish": (native("finish"), CALLS),
    "push_loop": (native("push_loop"), TASKS),
    "pop_loop": (native("pop_loop"), TASKS),
    "current": (native("current"), within_a_call(TASKS)),
    "before_fork": (native("before_fork"), FORK),
    "after_fork_in_parent": (native("after_fork_in_parent"), FORK),
    "function_id": (native("function_id"), WEB),
    "begin": (native("begin"), TESTS),
    "end": (native("end"), TESTS),
    "uvicorn": ("from splitcost.gateways import uvicorn; uvicorn.hook = fault", WEB),
    "wrapped app": ("from splitcost.gateways import uvicorn; uvicorn.wrap_app = fault", WEB),
    "request": ("from splitcost.gateways import request; request.Request = fault", WEB),
    "request's end": ("from splitcost.gateways import request; request.Request.end = fault", WEB),
    "starlette": ("from splitcost.gateways import starlette; starlette.hook = fault", WEB),
    "route": ("from splitcost.gateways import starlette; starlette.find = fault", WEB),
    "asyncio": ("recorder._hook_asyncio = fault", TASKS),
    "task factory": ("recorder._follow_tasks = fault", TASKS),
    "new task": ("recorder._hand_on = fault", TASKS),
    "thread pool": ("recorder._hook_thread_pool = fault", THREADS),
    "anyio": ("recorder._hook_anyio = fault", THREADS),
    "executor": ("from splitcost.gateways import limits; limits.note_executor = fault", THREADS),
    "limiter": ("from splitcost.gateways import limits; limits.note_limiter = fault", THREADS),
    "exit": ("recorder._hook_exit = fault", PROCESSES),
    "import": ("from splitcost import _hooks; _hooks._Finder._wrap = fault", WEB),
    "event": (
        "class Context:\n"
        "    get = staticmethod(fault)\n"
        "    set = staticmethod(recorder.CONTEXT.set)\n"
        "    reset = staticmethod(recorder.CONTEXT.reset)\n"
        "recorder.CONTEXT = Context",
        CALLS,
    ),
}


class Trial:
    """Runs of one program in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        bootstrap = directory / "bootstrap"
        bootstrap.mkdir()
        self.site = bootstrap / "sitecustomize.py"
        real = str(PACKAGE / "_bootstrap" / "sitecustomize.py")
        self.real = real

    def run(self, program: str, mode: str) -> subprocess.CompletedProcess[str]:
        # Where splitcost is installed, pytest finds the plugin by itself.
        installed = entry_points(group="pytest11", name="splitcost")
        plugin = json.dumps([] if installed else ["-p", "splitcost.pytest_plugin"])
        code = f"from shop import orders, pricing\nPLUGIN = {plugin}\n{program}"
        path = environment(self.directory / "log")["PYTHONPATH"].split(":", 1)[1]
        return subprocess.run(
            [sys.executable, "-c", code],
            env=environment(
                self.directory / "log", SPLITCOST_MODE=mode, PYTHONPATH=f"{self.site.parent}:{path}"
            ),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECS,
        )


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Runs a program without the recorder, once for all cases."""
    trial = Trial(tmp_path_factory.mktemp("bare"))
    trial.site.write_text(Path(trial.real).read_text())

    @functools.cache
    def run(program: str) -> subprocess.CompletedProcess[str]:
        done = trial.run(program, "none")
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.mark.parametrize("place", CASES)
def test_a_fault_leaves_the_app_as_it_is(tmp_path, bare, place):
    """A `BaseException` is the harder one: the code that catches it catches an `Exception`, too."""
    inject, program = CASES[place]
    trial = Trial(tmp_path)
    trial.site.write_text(FAULTY.format(base="BaseException", inject=inject, real=trial.real))
    bare = bare(textwrap.dedent(program))
    faulty = trial.run(textwrap.dedent(program), "record")
    assert "the fault was hit" in faulty.stderr, faulty.stderr
    assert (faulty.returncode, faulty.stdout) == (bare.returncode, bare.stdout), faulty.stderr
    lines = [
        line for line in faulty.stderr.splitlines() if line.startswith("splitcost: recorder switched off")
    ]
    assert len(lines) == 1, faulty.stderr
    assert "Fault" in lines[0]
    assert "s3cr3t" not in faulty.stderr


def test_a_fault_after_a_fork_ends_the_childs_recording_only(tmp_path):
    trial = Trial(tmp_path)
    trial.site.write_text(
        FAULTY.format(base="Exception", inject=native("after_fork_in_child"), real=trial.real)
    )
    bare, faulty = trial.run(FORK, "none"), trial.run(FORK, "record")
    assert (faulty.returncode, faulty.stdout) == (bare.returncode, bare.stdout), faulty.stderr
    assert faulty.stderr.count("recorder switched off") == 1


@pytest.mark.parametrize("base", ["Exception", "BaseException"])
def test_a_fault_at_the_start_is_reported_and_the_app_runs(tmp_path, base):
    trial = Trial(tmp_path)
    trial.site.write_text(FAULTY.format(base=base, inject=native("start"), real=trial.real))
    bare, faulty = trial.run(CALLS, "none"), trial.run(CALLS, "record")
    assert (faulty.returncode, faulty.stdout) == (bare.returncode, bare.stdout) == (0, bare.stdout)
    assert faulty.stderr.count("splitcost: cannot record in this process") == 1


def test_a_library_of_another_version_is_not_followed(tmp_path):
    """A Starlette without its class: the hook fails, and the import does not."""
    package = tmp_path / "starlette"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "applications.py").write_text("VERSION = 99\n")
    trial = Trial(tmp_path)
    trial.site.write_text(Path(trial.real).read_text())
    run = trial.run("import starlette.applications; print(starlette.applications.VERSION)", "record")
    assert (run.returncode, run.stdout) == (0, "99\n"), run.stderr
    assert (
        run.stderr.count("recorder switched off: an unexpected AttributeError in the hook of starlette") == 1
    )


def test_looking_for_a_module_does_not_use_its_hook_up(runs):
    log = runs.code(
        "import importlib.util\n"
        "spec = importlib.util.find_spec('starlette.applications')\n"
        "assert spec.loader.is_package('starlette.applications') is False\n"
        "import starlette.applications as applications\n"
        "assert applications.__loader__ is applications.__spec__.loader\n"
        "assert type(applications.__loader__).__module__.startswith(('importlib', '_frozen_importlib'))\n"
        "assert applications.Starlette.__call__.__code__.co_filename.endswith('gateways/starlette.py')\n"
        "orders.total(1)\n"
    )
    assert log.counts["shop.pricing:quote"] == 1


def test_a_task_factory_of_the_app_runs_in_its_own_context(runs):
    """Factories of before 3.11 take no context, and see the app's context variables."""
    log = runs.code(
        "import contextvars\n"
        "async def main():\n"
        "    loop = asyncio.get_running_loop()\n"
        "    loop.set_task_factory(lambda loop, coro: asyncio.Task(coro, loop=loop))\n"
        "    return await pricing.with_callback(lambda n: loop.create_task(pricing.later(n)))\n"
        "assert asyncio.run(main()) == 2\n"
        "def entered():\n"
        "    context = contextvars.copy_context()\n"
        "    async def main():\n"
        "        loop = asyncio.get_running_loop()\n"
        "        make = lambda _: loop.create_task(pricing.later(1), context=context)\n"
        "        return await context.run(pricing.with_callback, make)\n"
        "    return asyncio.run(main())\n"
        "assert entered() == 2\n"
    )
    assert log.counts["shop.pricing:later"] == 2

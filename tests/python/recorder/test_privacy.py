"""No value of the user's data leaves the process: log and Parquet are searched for canaries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from parquet_text import decoded
from recorder_support import DEADLINE_SECS, environment

#: Values of many looks. Each is unlike any name in this repository, and none is a word.
CANARIES = [
    "zq7xk4417",
    "Canary-90210-zq",
    "zqann@canary.example",
    "6ba7b810-9dad-11d1-80b4-00c04fd4zq30",
    "deadbeefcafef00d",
    "WnFDYW5hcnk5OTk",
    "2031-07-04T05:06:07",
    "zqcanary_plonkplonk_plonkplonk",
    "4417123456789113",
]
#: An identifier: it can be the name of a class, a function or a field that is made as the program runs.
NAME = "Zq0Canary0Name"

SEED = f"""
import os, sys
# Put together as the program runs: source code spells none of them out.
canaries = [text[::-1] for text in {[text[::-1] for text in CANARIES]!r}]
name = {NAME[::-1]!r}[::-1]
"""

WEB = (
    SEED
    + """
import asyncio, urllib.parse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from shop import web

async def ask(app, method, path, query, headers):
    async def receive():
        return {"type": "http.request", "body": query, "more_body": False}
    async def send(message):
        pass
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query,
             "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("a", 1),
             "client": ("b", 2), "root_path": "", "asgi": {"version": "3.0"}}
    try:
        await app(scope, receive, send)
    except Exception:
        pass

async def bare(scope, receive, send):
    # An app without routes, which crosses into a module with its data.
    pricing.echo({"path": scope["path"], scope["path"]: scope["query_string"]})
    pricing.refuse(scope["path"])

async def main():
    from uvicorn import Config
    config = Config(bare, lifespan="off", log_config=None)
    config.load()
    for canary in canaries:
        quoted = urllib.parse.quote(canary, safe="")
        for text in (canary, quoted, urllib.parse.quote(quoted, safe="")):
            for path in (f"/{text}", f"/later/{text}", f"/nowhere/{text}/lines", f"/nowhere;id={text}"):
                headers = [(b"x-canary", text.encode()), (b"x-splitcost-request", text.encode())]
                for app in (config.loaded_app, web.app):
                    await ask(app, "GET", path, text.encode(), headers)
    await ask(web.app, canaries[0], "/", b"", [])
    await ask(web.app, "GET", "/later/1", canaries[0].encode(), [])

asyncio.run(main())
"""
)

CALLS = (
    SEED
    + """
import asyncio, collections, concurrent.futures, dataclasses, enum, threading

# Names that are made as the program runs: of types, exceptions, fields, functions and modules.
Type = type(name, (), {"__module__": "shop.pricing"})
Error = type(name, (Exception,), {"__module__": name})
OwnError = type(name, (pricing.RefusedError,), {"__module__": "shop.pricing"})
Data = dataclasses.make_dataclass(name, [(name, int)], namespace={"__module__": "shop.pricing"})
pricing.Data = Data
Row = collections.namedtuple(name, [name, "n"], module="shop.pricing")
Kind = enum.Enum(name, {name: 1}, module="shop.pricing")
import pydantic
Model = pydantic.create_model(name, __module__="shop.pricing", **{name: (int, 1)})
values = [Type(), Type, Error("x"), Data(1), Row(1, 2), Kind(1), Model(), {name: 1}]
values += [[Row(1, len)], [Data(len)]]
for value in values:
    pricing.echo(value)

def raising(error):
    def inner(_):
        raise error
    return inner

for error in (Error("x"), OwnError("x")):
    try:
        pricing.with_callback(raising(error))
    except Exception:
        pass
plain = pricing.quote.__code__
for code in (plain.replace(co_name=name, co_qualname=name), plain.replace(co_filename="/" + name + ".py")):
    made = type(pricing.quote)(code, vars(pricing))
    made(1)
made = type(pricing.quote)(plain, {"__name__": "shop.pricing", "quote": 1}, name)
made(1)
pricing.echo_two(1, **{name: canaries[0]})

for canary in [*canaries, *sys.argv[1:], sys.stdin.read(), os.environ["CANARY"]]:
    texts = canary, canary.encode(), [canary], {canary: canary}, {canary}, (canary, len), pricing.Line(canary)
    for value in texts:
        pricing.echo(value)
        pricing.echo_two(value, value, key=value)
        pricing.with_session(pricing.Session(), value)
        try:
            pricing.refuse(value)
        except pricing.RefusedError:
            pass
    async def task():
        return await asyncio.create_task(pricing.later(1), name=canary)
    asyncio.run(task())
    thread = threading.Thread(target=pricing.quote, args=(1,), name=canary)
    thread.start()
    thread.join()
    with concurrent.futures.ThreadPoolExecutor(1, canary) as pool:
        pool.submit(pricing.echo, canary).result()
"""
)

TESTS = """
import asyncio, pytest
from shop import orders, pricing
canaries = [text[::-1] for text in %r]

@pytest.mark.parametrize("value", canaries)
def test_value(value):
    pricing.echo(value)

@pytest.mark.parametrize("value", [1], ids=[canaries[0] + "::" + canaries[2]])
def test_id(value):
    pricing.echo(value)

class TestFailing:
    @pytest.mark.parametrize("value", canaries)
    def test_failing(self, value):
        pricing.refuse(value)
""" % [text[::-1] for text in CANARIES]


def check(data: bytes, where: object) -> None:
    """No canary is in there, in no long part of one."""
    for canary in [*CANARIES, NAME]:
        for encoding in ("utf-8", "utf-16-le"):
            assert canary.encode(encoding) not in data, (canary, where)
    parts = {part for canary in CANARIES for part in re.split(r"[^A-Za-z0-9]", canary) if len(part) >= 6}
    for part in sorted(parts | {"canary"}):
        assert part.lower().encode() not in data.lower(), (part, where)


def run_recorded(runs, code, *arguments):
    """Run a program, with canaries in its arguments, its input and its environment."""
    process = subprocess.run(
        [sys.executable, "-c", "from shop import orders, pricing\n" + code, *arguments],
        env=environment(runs.directory, CANARY=CANARIES[0], SPLITCOST_ENDPOINT_HEADER=""),
        cwd=runs.directory.parent,
        input=CANARIES[1],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECS,
    )
    assert process.returncode == 0, process.stderr
    assert "splitcost: recorder" not in process.stderr
    (log,) = runs.logs()
    return log


def test_requests(runs):
    log = run_recorded(runs, WEB)
    log.check()
    endpoints = {r["endpoint"] for r in log.requests.values()}
    assert {"GET /{}", "GET /later/{n}", "GET /nowhere/{}/lines", "GET /nowhere"} <= endpoints
    check(log.path.read_bytes(), "the log")


def test_calls_and_names(runs):
    log = run_recorded(runs, CALLS, *CANARIES)
    assert log.troubles == []
    shapes = set(log.shapes.values())
    assert (
        '{"list":{"namedtuple":"shop.pricing:{}","fields":{"*":"int","n":{"callback":"builtins:'
        in "".join(shapes)
    )
    assert any('"shop.pricing:Line"' in shape for shape in shapes)
    exceptions = {call.exception for call in log.calls.values()}
    assert sys.version_info < (3, 12) or {"shop.pricing.{}", "{}.{}"} <= exceptions, exceptions
    check(log.path.read_bytes(), "the log")


def test_tests(runs, tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    log = run_recorded(
        runs,
        textwrap.dedent("""
        import pytest
        from splitcost import pytest_plugin
        code = pytest.main(["-q", "-p", "no:cacheprovider", "--noconftest", "test_it.py"], plugins=PLUGINS)
        assert code == 1, code
        """).replace("PLUGINS", plugins()),
    )
    endpoints = {r["endpoint"] for r in log.requests.values()}
    assert endpoints == {
        "test_it.py::test_value[{}]",
        "test_it.py::test_id[{}]",
        "test_it.py::TestFailing::test_failing[{}]",
    }
    check(log.path.read_bytes(), "the log")


def plugins() -> str:
    """Where splitcost is installed, pytest finds the plugin by itself."""
    from importlib.metadata import entry_points

    return "[]" if entry_points(group="pytest11", name="splitcost") else "[pytest_plugin]"


def command_line() -> str:
    """The command line beside this interpreter, or else on the PATH."""
    beside = Path(sys.executable).with_name("splitcost")
    found = str(beside) if beside.exists() else shutil.which("splitcost")
    assert found is not None, "the command line is not installed"
    return found


@pytest.mark.parametrize("program", [WEB, CALLS], ids=["web", "calls"])
def test_parquet(tmp_path, program):
    (tmp_path / "program.py").write_text("from shop import orders, pricing\n" + program)
    # The interpreter's own path, so that what it imports does not depend on where splitcost was installed.
    path = environment(tmp_path)["PYTHONPATH"].split(":", 1)[1]
    command = [command_line(), "record", "--package", "shop", "--output", "recording", "--"]
    process = subprocess.run(
        [*command, sys.executable, "program.py"],
        env=os.environ
        | {"PYTHONPATH": path, "SPLITCOST_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
        | {"CANARY": CANARIES[0]},
        cwd=tmp_path,
        input=CANARIES[1],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECS,
    )
    assert process.returncode == 0, process.stderr
    recording = tmp_path / "recording"
    tables = {path.name: decoded(path) for path in recording.glob("*.parquet")}
    # The search finds what is there.
    assert b"shop.pricing" in tables["calls.parquet"]
    assert b'"arguments"' in tables["shapes.parquet"]
    assert b"shop.pricing.{}" in tables["calls.parquet"] or program == WEB or sys.version_info < (3, 12)
    for name, data in tables.items():
        check(data, name)
    manifest = (recording / "splitcost-recording.json").read_bytes()
    assert json.loads(manifest)["name"] == "splitcost-recording"
    check(manifest, "the manifest")

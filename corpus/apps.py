"""The applications of the corpus: their environments, a server of each, and a user who sends its workload.

`corpus/run` and `bench/recorder` share this.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection as Connection
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any

CORPUS = Path(__file__).resolve().parent
ROOT = CORPUS.parent
NAMES = sorted(path.parent.name for path in CORPUS.glob("*/splitcost.toml"))
#: The packages that splitcost's stacks need, beside those of the app.
STACK = ["orjson==3.13.0", "httpx2[http2]==2.16.2", "uvicorn==0.54.0"]
INSTALL_SECS, START_SECS, REQUEST_SECS = 1200, 300, 60


class Failure(Exception):
    """A step that failed, with what a person should know."""


def parser(description: str | None, examples: str, names: list[str]) -> argparse.ArgumentParser:
    """Return a parser of the options that every script about the applications has."""
    options = argparse.ArgumentParser(
        description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "apps",
        nargs="*",
        metavar="APP",
        help=f"application to run: {', '.join(names)} [default: all]",
    )
    options.add_argument(
        "--wheel",
        type=Path,
        help="wheel of splitcost to install [default: the newest of `make wheel` and `make bench`]",
    )
    options.add_argument(
        "--python", default=sys.executable, help="CPython 3.13 of the environments [default: this one]"
    )
    return options


def parse(options: argparse.ArgumentParser, names: list[str]) -> argparse.Namespace:
    """Parse the command line, and fill in the applications and the wheel."""
    arguments = options.parse_args()
    if unknown := set(arguments.apps) - set(names):
        options.error(f"no such application: {', '.join(sorted(unknown))} (there are: {', '.join(names)})")
    arguments.apps = arguments.apps or names
    if arguments.wheel is None:
        wheels = [*ROOT.glob("dist/splitcost-*.whl"), *ROOT.glob(".venv/wheel/splitcost-*.whl")]
        arguments.wheel = max(wheels, key=lambda path: path.stat().st_mtime, default=None)
    if arguments.wheel is None:
        options.error("there is no wheel in dist/ (hint: `make wheel`, or --wheel)")
    arguments.wheel = arguments.wheel.resolve()
    # As after Ctrl-C: what was started ends first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return arguments


# ---------------------------------------------------------------------------------------------------------- processes


def begun(
    command: list[str], env: dict[str, str], cwd: Path, outputs: tuple[IO[bytes], IO[bytes]]
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, with its standard output and the other one."""
    output, errors = outputs
    return subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )


@contextlib.contextmanager
def running(
    command: list[str], env: dict[str, str], cwd: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a group of its own, which ends with this block."""
    with log.open("wb") as output:
        process = begun(command, env, cwd, (output, output))
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(
    command: list[str], env: dict[str, str], cwd: Path, deadline_secs: float, good: tuple[int, ...] = (0,)
) -> str:
    """Run a command to its end and return its standard output; a failure holds the last lines of the other."""
    named = " ".join([Path(command[0]).name, *command[1:2]])
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = begun(command, env, cwd, (output, errors))
        try:
            status = process.wait(deadline_secs)
        except subprocess.TimeoutExpired:
            raise Failure(f"`{named}` took longer than {deadline_secs} s") from None
        finally:
            if process.poll() is None:
                # splitcost removes what it started when it is asked to stop.
                os.killpg(process.pid, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        errors.seek(0)
        output.seek(0)
        if status not in good:
            tail = errors.read().decode(errors="replace").splitlines()[-15:]
            raise Failure(f"`{named}` ended with {status}:\n  " + "\n  ".join(tail))
        return output.read().decode()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cache() -> Path:
    """Return the directory of the virtual environments and recordings."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "splitcost-corpus"


def environment(name: str, python: str, packages: list[str], wheel: Path | None) -> Path:
    """Make a virtual environment with these packages (arguments of pip), or use the one that has them already."""
    home = cache() / name / "venv"
    wanted = json.dumps([python, packages, str(wheel), wheel.stat().st_mtime if wheel else 0])
    stamp = home / "installed.json"
    if stamp.exists() and stamp.read_text() == wanted:
        return home
    print(f"{name}: installing", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    env = dict(os.environ)
    run([python, "-m", "venv", str(home)], env, CORPUS, INSTALL_SECS)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    run([*pip, *packages], env, CORPUS, INSTALL_SECS)
    if wheel is not None:
        run([*pip, "--no-deps", str(wheel)], env, CORPUS, INSTALL_SECS)
    stamp.write_text(wanted)
    return home


# --------------------------------------------------------------------------------------------------------- a session


@dataclass
class Session:
    """One user of the app: sends the requests of the workload one at a time."""

    port: int
    seed: int
    values: dict[str, Any] = field(default_factory=lambda: {"user": 1})
    cookies: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a connection for some requests."""
        with contextlib.closing(Connection("127.0.0.1", self.port, timeout=REQUEST_SECS)) as connection:
            yield connection

    def send(self, request: dict[str, Any], connection: Connection | None = None) -> int:
        """Send a request, on a connection of its own by default, take over its captures and cookies, and return the
        status.
        """
        if connection is None:
            with self.connected() as own:
                return self.send(request, own)
        draw = random.Random(f"{self.seed}")
        self.seed += 1
        values = self.values | {
            name: drawn(source, draw) for name, source in request.get("params", {}).items()
        }
        headers = {name: fill(text, values) for name, text in request.get("headers", {}).items()}
        headers = {
            "accept": "*/*",
            "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
        } | headers
        body: bytes | None = None
        if "body" in request:
            body = json.dumps(fill_all(request["body"], values)).encode()
            headers.setdefault("content-type", "application/json")
        elif "body_form" in request:
            body = urllib.parse.urlencode(
                {k: fill(v, values) for k, v in request["body_form"].items()}
            ).encode()
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        elif "body_text" in request:
            body = fill(request["body_text"], values).encode()
            headers.setdefault("content-type", "text/plain")

        def exchange() -> HTTPResponse:
            connection.request(request.get("method", "GET"), fill(request["path"], values), body, headers)
            return connection.getresponse()

        try:
            answer = exchange()
        except ConnectionError:
            # A server closes a connection that was idle for too long.
            connection.close()
            answer = exchange()
        text = answer.read().decode(errors="replace")
        for cookie in answer.headers.get_all("set-cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        for name, source in request.get("capture", {}).items():
            self.values[name] = captured(source, answer, text, self.cookies)
        return answer.status


def problem(request: dict[str, Any], status: int) -> str | None:
    """Return a sentence if a request was answered with another status than the workload expects."""
    if status in request.get("expect", range(200, 400)):
        return None
    return f"{request.get('method', 'GET')} {request['path']} was answered with {status}"


def fill(template: str, values: dict[str, Any]) -> str:
    """Put values in the place of `{name}`; `{{` and `}}` are braces."""
    return re.sub(
        r"\{\{|\}\}|\{(\w+)\}", lambda found: str(values[found[1]]) if found[1] else found[0][0], template
    )


def fill_all(template: Any, values: dict[str, Any]) -> Any:
    """Fill each text of a JSON document; one that is a placeholder alone becomes the value itself."""
    if isinstance(template, dict):
        return {key: fill_all(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [fill_all(item, values) for item in template]
    if isinstance(template, str):
        alone = re.fullmatch(r"\{(\w+)\}", template)
        return values[alone[1]] if alone else fill(template, values)
    return template


def drawn(source: dict[str, Any], draw: random.Random) -> Any:
    """Draw the value of a parameter."""
    if "int" in source:
        return draw.randint(*source["int"])
    if "float" in source:
        return draw.uniform(*source["float"])
    if "string" in source:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        return "".join(draw.choices(letters, k=draw.randint(*source["string"])))
    return draw.choice(source["choice"])


def captured(source: dict[str, str], answer: HTTPResponse, text: str, cookies: dict[str, str]) -> Any:
    """Take a value from an answer."""
    if "cookie" in source:
        return cookies[source["cookie"]]
    if "header" in source:
        return answer.headers[source["header"]]
    if "json" in source:
        value = json.loads(text)
        for part in source["json"].split("."):
            value = value[int(part) if isinstance(value, list) else part]
        return value
    for tag in re.findall(r"<(?:input|meta)\b[^>]*>", text):
        attributes: dict[str, str] = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("name") == source["form"]:
            return html.unescape(attributes.get("value", attributes.get("content", "")))
    raise Failure(f"no field {source['form']} in the answer")


# ------------------------------------------------------------------------------------------------------------ an app


class App:
    """An application, in a virtual environment of its own."""

    def __init__(self, home: Path, venv: Path) -> None:
        self.name = home.name
        self.home = home
        self.venv = venv
        self.cache = cache() / self.name
        self.settings = tomllib.loads((home / "splitcost.toml").read_text())
        self.env = dict(os.environ) | {
            "VIRTUAL_ENV": str(venv),
            "PATH": f"{venv / 'bin'}:{os.environ.get('PATH', '')}",
        }
        package = self.settings["app"]["package"]
        self.packages: list[str] = [package] if isinstance(package, str) else package

    @classmethod
    def installed(cls, name: str, python: str, wheel: Path) -> App:
        """Install an application of the corpus, or examples/shop, in a virtual environment with splitcost."""
        if name == "shop":
            home = ROOT / "examples" / "shop"
            dependencies = tomllib.loads((home / "pyproject.toml").read_text())["project"]["dependencies"]
            packages = ["-c", str(ROOT / "requirements" / "constraints.txt"), *dependencies]
        else:
            home = CORPUS / name
            pins = (home / "requirements.txt").read_text().splitlines()
            own = {pin.partition("==")[0] for pin in pins}
            stack = [pin for pin in STACK if pin.partition("==")[0].partition("[")[0] not in own]
            # The pins are complete, and where an app's own pins are too old for this Python they contradict them.
            packages = ["--no-deps", *pins, *stack]
        return cls(home, environment(name, python, packages, wheel))

    def splitcost(self, arguments: list[str], deadline_secs: float, env: dict[str, str] | None = None) -> str:
        """Run splitcost in the directory of the app, with more environment variables."""
        command = [str(self.venv / "bin" / "splitcost"), *arguments]
        # It ends with 1 where a split was not run, and with 3 where there is no verdict.
        return run(command, self.env | (env or {}), self.home, deadline_secs, good=(0, 1, 3))

    def say(self, text: str) -> None:
        """Print what the script is doing."""
        print(f"{self.name}: {text}", file=sys.stderr)

    @contextlib.contextmanager
    def served(
        self, directory: Path, recording: Path | None = None, env: dict[str, str] | None = None
    ) -> Iterator[Server]:
        """Start a server with a database of its own in an empty directory, under the recorder if there is a recording
        to write, and log in.
        """
        workdir = directory / "w"
        workdir.mkdir(parents=True)
        port = free_port()

        def place(text: str) -> str:
            values = {"port": str(port), "workdir": str(workdir), "arm": directory.name}
            return re.sub(r"\{(port|workdir|arm)\}", lambda found: values[found[1]], text)

        settings = self.settings["app"]
        all_env = self.env | {name: place(text) for name, text in settings.get("env", {}).items()}
        cwd = self.home / settings.get("cwd", ".")
        if "setup" in settings:
            run([place(part) for part in settings["setup"]], all_env, cwd, START_SECS)
        command = [place(part) for part in settings["command"]]
        if recording is not None:
            # Settings without [app.env], which splitcost would fill in with a scratch directory of its own.
            config = directory / "splitcost.toml"
            config.write_text(
                "[app]\ncommand = ['-']\n"
                + f"package = {json.dumps(self.packages)}\nmodules = {json.dumps(settings.get('modules', []))}\n"
                + "[[workload.requests]]\npath = '/'\n"
            )
            splitcost = str(self.venv / "bin" / "splitcost")
            record = [splitcost, "record", "--config", str(config), "--output", str(recording)]
            command = [*record, "--", *command]
        log = directory / "log"
        with running(command, all_env | (env or {}), cwd, log) as process:
            workload = self.settings["workload"]
            server = Server(process, Session(port, workload.get("seed", 0)), recording)
            try:
                server.await_ready(settings.get("ready", "/"))
                for request in workload.get("before", []):
                    if wrong := problem(request, server.session.send(request)):
                        raise Failure(f"in [[workload.before]], {wrong}")
                yield server
            except Failure as error:
                tail = log.read_text(errors="replace").splitlines()[-15:]
                raise Failure("\n  ".join([str(error), *tail])) from None


@dataclass
class Server:
    """An app that takes requests, and a user of it."""

    process: subprocess.Popen[bytes]
    session: Session
    recording: Path | None

    def await_ready(self, path: str) -> None:
        """Wait until the app answers."""
        probe = Session(self.session.port, 0)
        deadline = time.monotonic() + START_SECS
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure("the app did not start")
            try:
                if probe.send({"path": path}) < 400:
                    return
            except (OSError, HTTPException):
                time.sleep(0.1)

    def finish_recording(self) -> None:
        """End the app as a person would, so that its recording is written."""
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        if self.recording is None or not (self.recording / "splitcost-recording.json").exists():
            raise Failure("there is no recording of the requests")


def endpoint_name(request: dict[str, Any]) -> str:
    """Return the name of a request of the workload."""
    name: str = request.get("name") or f"{request.get('method', 'GET')} {request['path'].partition('?')[0]}"
    return name

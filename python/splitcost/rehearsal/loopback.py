"""Loopback: every call between services is made in this process, through the codec there and back.

One process has the modules of all services, each behind the facade that the others would see. A call goes the whole way
but the network: arguments are encoded and decoded, the function runs, its result or its exception is encoded and
decoded. What relies on identity, on changes of arguments, or on live objects then shows without a server or a port.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from splitcost.codec import Obstacle
from splitcost.rehearsal.config import Config
from splitcost.rehearsal.context import Context, current
from splitcost.rehearsal.runtime import Runtime

__all__ = ["SettingsError", "Tests", "begin", "end"]

MAIN = "main"
"""The service of all modules that no service claims, as in the settings."""

SETTINGS = ("splitcost.toml", "pyproject.toml")


class SettingsError(ValueError):
    """The settings that a loopback needs are missing or wrong; the message is for people."""


MAX_NAME = 500
"""Characters of a test's name that go along with its calls. Chosen: their line stays well below its limit."""

MAX_LINES = 20
"""Calls of the summary, the most frequent ones. Chosen: a screen; the report has all."""

LOSSES = frozenset(
    {
        Obstacle.MUTATED,
        Obstacle.IDENTITY,
        Obstacle.EXCEPTION,
        Obstacle.STATE,
        Obstacle.ROW,
    }
)
"""The losses of calls that cross. All else stays in the caller, where it fails no test."""


class Tests:
    """A run of tests in which calls between the services of a split cross, from the next import on."""

    def __init__(self, split: str, directory: Path) -> None:
        """Begin. The settings are those of ``directory`` or the nearest directory above it that has some.

        Raises :class:`SettingsError`, and ``ImportError`` with the pip command for a missing package.
        """
        from splitcost.rehearsal.hooks import follow_threads
        from splitcost.rehearsal.imports import Finder

        self._split = split
        self._failures: list[dict[str, Any]] = []
        runtime = Runtime(_config(split, directory))
        follow_threads(runtime)
        Finder(runtime.config, runtime).install()
        self._report = runtime.report

    def failed(self, test: str, phase: str, exception: str) -> list[str]:
        """Note a failed test, and return a line for each likely reason."""
        seen = [event for event in self._report.as_dict()["events"] if _name(test) in event["endpoints"]]
        losses = [event for event in seen if event["reason"] in LOSSES]
        self._failures.append(
            {
                "test": test,
                "phase": phase,
                "exception": exception,
                "reasons": [_without_tests(event) for event in losses],
                "stayed": [_without_tests(event) for event in seen if event not in losses],
            }
        )
        if losses:
            return [f"{event['reason']}: {_sentence(event)}" for event in losses]
        return [
            "If this test passes without --splitcost-loopback, it relies on what does not cross, and splitcost did"
            " not see what: state that is not sent (a context variable), or the identity of an object."
        ]

    def lines(self) -> list[str]:
        """Return the summary."""
        document = self._report.as_dict()
        calls, events = document["calls"], sorted(document["events"], key=lambda event: -event["count"])
        crossed, failed = sum(call["answered"] for call in calls), sum(call["errors"] for call in calls)
        functions = len({call["callee"] for call in calls})
        lines = [
            f"{crossed} calls of {functions} functions crossed as messages; {failed} raised, or need work"
        ]
        lines += [f"  {event['count']} × {_sentence(event)}" for event in events[:MAX_LINES]]
        if len(events) > MAX_LINES:
            lines.append(f"  and {len(events) - MAX_LINES} more, with --splitcost-loopback-report FILE")
        if self._failures:
            kinds = Counter(kind for each in self._failures for kind in _kinds(each))
            shown = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
            lines.append(f"failed: {len(self._failures)}; what splitcost saw in them: {shown}")
        return lines

    def write(self, path: str) -> None:
        """Write all as JSON."""
        document = self._report.as_dict()
        calls: dict[str, dict[str, int]] = {}
        for call in document["calls"]:
            known = calls.setdefault(call["callee"], {"calls": 0, "raised": 0})
            known["calls"] += call["answered"]
            known["raised"] += call["errors"]
        events = [_without_tests(event) for event in document["events"]]
        whole = {"split": self._split, "calls": calls, "events": events, "failures": self._failures}
        Path(path).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _kinds(failure: dict[str, Any]) -> set[str]:
    return {str(event["reason"]) for event in failure["reasons"]} or {"nothing"}


def _without_tests(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "endpoints"}


def _sentence(event: dict[str, Any]) -> str:
    """Return a call, its site, and what became of a value of it."""
    kind = f" ({event['type']})" if event["type"] else ""
    verb = "crossed" if event["reason"] in LOSSES else "stayed"
    place = f"{event['file']}:{event['line']}" if event["file"] else event["caller"]
    return f"{event['callee']} {verb} at {place}: {event['path']}{kind} {event['obstacle']}"


def _name(test: str) -> str:
    return test[:MAX_NAME]


def begin(name: str) -> Any:
    """Let the calls of the running context cross, on behalf of a test of this name; :func:`end` takes the result."""
    return current.set(Context(f"loopback:{quote(_name(name))}", None, ()))


def end(token: Any) -> None:
    """Let them cross no more."""
    current.reset(token)


def _config(split: str, directory: Path) -> Config:
    path, settings = _settings(directory)
    splits, app = settings.get("splits", {}), settings.get("app", {})
    if split not in splits:
        known = ", ".join(sorted(splits)) or "none"
        raise SettingsError(f"there is no split {split!r} in {path} (there are: {known})")
    package = app.get("package", [])
    packages = [package] if isinstance(package, str) else list(package)
    services = splits[split].get("services", {})
    document = {
        "token": "",
        "stack": "loopback",
        "packages": packages,
        "main_service": MAIN,
        "services": {name: {"rpc_port": 0, "modules": services.get(name, [])} for name in {MAIN, *services}},
        "copied": splits[split].get("copied", []),
        "adapt": splits[split].get("adapt", {}),
    }
    try:
        return Config.from_dict(document, "", tuple(app.get("modules", [])), app.get("depth"))
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


def _settings(directory: Path) -> tuple[Path, dict[str, Any]]:
    for folder in (directory, *directory.parents):
        for name in SETTINGS:
            path = folder / name
            if not path.is_file():
                continue
            try:
                document = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise SettingsError(f"{path} cannot be read: {error}") from error
            found = document if name == SETTINGS[0] else document.get("tool", {}).get("splitcost")
            if found is not None:
                return path, found
    raise SettingsError(
        f"there is no {SETTINGS[0]} in {directory} or above it (hint: `splitcost init` writes one)"
    )

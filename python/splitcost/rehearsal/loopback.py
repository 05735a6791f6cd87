"""Loopback: every call between services is made in this process, through the codec there and back.

One process has the modules of all services, each behind the facade that the others would see. A call goes the whole way
but the network: arguments are encoded and decoded, the function runs, its result or its exception is encoded and
decoded. What relies on identity, on changes of arguments, or on live objects then shows without a server or a port.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from splitcost.rehearsal.config import Config
from splitcost.rehearsal.context import Context, current
from splitcost.rehearsal.report import Report
from splitcost.rehearsal.runtime import Runtime

__all__ = ["SettingsError", "begin", "end", "start"]

MAIN = "main"
"""The service of all modules that no service claims, as in the settings."""

SETTINGS = ("splitcost.toml", "pyproject.toml")


class SettingsError(ValueError):
    """The settings that a loopback needs are missing or wrong; the message is for people."""


def start(split: str, directory: Path) -> Report:
    """Make calls between the services of a split cross in this process from the next import on.

    The settings are those of ``directory`` or the nearest directory above it that has some. Returns the report that
    counts the calls. Raises :class:`SettingsError`, and ``ImportError`` with the pip command for a missing package.
    """
    from splitcost.rehearsal.hooks import follow_threads
    from splitcost.rehearsal.imports import Finder

    runtime = Runtime(_config(split, directory))
    follow_threads(runtime)
    Finder(runtime.config, runtime).install()
    return runtime.report


def begin(name: str) -> Any:
    """Let the calls of the running context cross, on behalf of something of this name; :func:`end` takes the result."""
    return current.set(Context(f"loopback:{quote(name)}", None, ()))


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

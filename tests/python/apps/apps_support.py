"""Runs splitcost on copies of the apps beside this file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

APPS = Path(__file__).parent
DEADLINE_SECS = 300

# What was calibrated for one test serves the next.
_cache = tempfile.TemporaryDirectory(prefix="splitcost-cache-")


def copied(app: str, directory: Path) -> Path:
    """Copy an app with its settings; gives the directory."""
    shutil.copytree(APPS / app, directory / app, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(APPS / f"{app}.toml", directory / "splitcost.toml")
    return directory


def splitcost(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": _cache.name}
    return subprocess.run(
        ["splitcost", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECS,
    )


def rehearsed(app: str, name: str, directory: Path) -> dict[str, Any]:
    """Record and rehearse a split of an app; gives it."""
    copied(app, directory)
    recorded = splitcost(directory, "record")
    assert recorded.returncode == 0, recorded.stderr
    found = splitcost(
        directory, "rehearse", "--split", name, "--budget", "1s", "--precision", "50", "--format", "json"
    )
    # Status 3: of a service that does next to nothing there is no verdict.
    assert found.returncode in (0, 3), found.stdout + found.stderr
    split: dict[str, Any]
    (split,) = json.loads(found.stdout)["splits"]
    return split

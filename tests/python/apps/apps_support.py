"""Runs splitcost on copies of the apps beside this file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

APPS = Path(__file__).parent
DEADLINE_SECS = 300


def copied(app: str, directory: Path) -> Path:
    """Copy an app with its settings; gives the directory."""
    shutil.copytree(APPS / app, directory / app, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(APPS / f"{app}.toml", directory / "splitcost.toml")
    return directory


def splitcost(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(directory / "cache")}
    return subprocess.run(
        ["splitcost", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECS,
    )

"""Runs the apps under ``cases/``: their checks send values to another service and look at what comes back."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehearsal_support import DEADLINE_SECS, Split, by_uvicorn

CASES = Path(__file__).parent / "cases"


def checks_of(case: str) -> list[str]:
    """The names of a case's checks."""
    source = (CASES / case / "app" / "checks.py").read_text()
    found: list[str] = re.findall(r"@check\n(?:async )?def (\w+)", source)
    assert found
    return found


@contextlib.contextmanager
def case_split(case: str, directory: Path, stack: str = "httpx", **extra: Any) -> Iterator[Split]:
    """The services `main` and `vault` of a case."""
    modules = {"main": [], "vault": ["app.vault"]}
    options: dict[str, Any] = {
        "packages": ["app"],
        "copied": ["app.kinds"],
        "local_functions": [],
        "functions": [],
    }
    options |= extra
    # The app that makes the checks is the same for all.
    command = [*by_uvicorn("serve:app"), "--app-dir", str(CASES)]
    services = Split(stack, directory, command=command, modules=modules, path=CASES / case, **options)
    try:
        services.start(*modules)
        yield services
    finally:
        services.stop()


def run_check(services: Split, check: str) -> None:
    """Run a check in the service `main`."""
    try:
        with urllib.request.urlopen(services.url(f"/{check}"), timeout=DEADLINE_SECS) as answer:
            assert answer.status == 200
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)["answer"]) from None


def stayed(services: Split) -> set[str]:
    """The types of values that could not cross, so that their calls ran in the caller."""
    return {event["type"] for event in services.report()["events"]}

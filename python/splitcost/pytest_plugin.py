"""pytest plugin: tests as requests of a recording, and tests with the calls of a split as messages.

Under the recorder, the call phase of each test is a request named by the test. With ``--splitcost-loopback SPLIT``,
the calls between the services of a split are encoded and decoded in this process, and a summary says which calls could
not be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

__all__ = [
    "pytest_addoption",
    "pytest_load_initial_conftests",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

_LOOPBACK = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("splitcost")
    group.addoption(
        "--splitcost-loopback",
        metavar="SPLIT",
        help="encode and decode the calls between the services of this split of splitcost.toml, in this process",
    )
    group.addoption(
        "--splitcost-loopback-report",
        metavar="FILE",
        help="with --splitcost-loopback: write the calls, the failed tests and their likely reasons as JSON",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before anything of the app is imported."""
    split = getattr(early_config.known_args_namespace, "splitcost_loopback", None)
    if split is None:
        return
    from splitcost.rehearsal import loopback

    try:
        early_config.stash[_LOOPBACK] = loopback.Tests(split, early_config.invocation_params.dir)
    except (loopback.SettingsError, ImportError) as error:
        raise pytest.UsageError(f"--splitcost-loopback: {error}") from None


def _recorder() -> Any:
    """Return the recorder of requests where there is one to record, and `None` where it is not or cannot."""
    if os.environ.get("SPLITCOST_MODE") != "record":
        return None
    # `sitecustomize` has imported it, or has said why it cannot.
    if "splitcost.recorder" not in sys.modules:
        return None
    from splitcost.gateways import request

    return request


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Record the test, where the environment asks for a recording, or let its calls cross in a loopback."""
    if _LOOPBACK in item.config.stash:
        from splitcost.rehearsal import loopback

        token = loopback.begin(item.nodeid)
        try:
            return (yield)
        finally:
            loopback.end(token)
    recorder = _recorder()
    if recorder is None:
        return (yield)
    begun = recorder.begin_test(item.nodeid)
    failure: BaseException | None = None
    try:
        return (yield)
    except BaseException as error:
        failure = error
        raise
    finally:
        recorder.end_test(begun, failure)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what the crossing of values may have to do with a failure in a loopback."""
    report = yield
    if _LOOPBACK in item.config.stash and report.failed and call.excinfo is not None:
        tests = item.config.stash[_LOOPBACK]
        reasons = tests.failed(item.nodeid, report.when, call.excinfo.typename)
        report.sections.append(("splitcost loopback", "\n".join(reasons)))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the calls that crossed, and those that could not, and write the report."""
    tests = config.stash.get(_LOOPBACK, None)
    if tests is None:
        return
    terminalreporter.section("splitcost loopback")
    for line in tests.lines():
        terminalreporter.line(line)
    path = config.getoption("splitcost_loopback_report")
    if path is not None:
        tests.write(path)
        terminalreporter.line(f"wrote {path}")

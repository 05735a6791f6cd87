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
    """Add the option."""
    parser.getgroup("splitcost").addoption(
        "--splitcost-loopback",
        metavar="SPLIT",
        help="encode and decode the calls between the services of this split of splitcost.toml, in this process",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before anything of the app is imported."""
    split = getattr(early_config.known_args_namespace, "splitcost_loopback", None)
    if split is None:
        return
    from splitcost.rehearsal import loopback

    try:
        early_config.stash[_LOOPBACK] = loopback.start(split, early_config.rootpath)
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

        token = loopback.begin(item.name)
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
        report.sections.append(("splitcost loopback", _reason(call.excinfo.value)))
    return report


def _reason(error: BaseException) -> str:
    from splitcost.rehearsal import errors

    if isinstance(error, errors.CannotCross):
        return f"{error}. The caller has no result: the function had its effect, and is not called again."
    if isinstance(error, errors.RemoteError):
        return "The exception could not be rebuilt in the caller: its class or its fields cannot cross."
    return (
        "If this test passes without --splitcost-loopback, it relies on what does not cross: the identity of an"
        " object, a change of an argument, or state that is not sent."
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the calls that crossed, and those that could not."""
    report = config.stash.get(_LOOPBACK, None)
    if report is None:
        return
    document = report.as_dict()
    calls, stayed = document["calls"], document["events"]
    crossed, failed = sum(call["answered"] for call in calls), sum(call["errors"] for call in calls)
    functions = len({call["callee"] for call in calls})
    terminalreporter.section("splitcost loopback")
    terminalreporter.line(
        f"{crossed} calls of {functions} functions crossed as messages; {failed} raised, or could not return"
    )
    for event in sorted(stayed, key=lambda event: -event["count"]):
        kind = f" ({event['type']})" if event["type"] else ""
        place = f"{event['file']}:{event['line']}"
        terminalreporter.line(
            f"  {event['count']} × {event['callee']} stayed at {place}: {event['path']}{kind} {event['obstacle']}"
        )

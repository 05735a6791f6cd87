"""pytest plugin: under the recorder, the call phase of each test is a request named by the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["pytest_runtest_call"]


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
    """Record the test, where the environment asks for a recording."""
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

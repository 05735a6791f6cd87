"""pytest plugin: under the recorder, the call phase of each test is a request named by the test's id."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["pytest_runtest_call"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: Any) -> Generator[None, Any, Any]:
    """Record the test, where recording is what the environment asks for."""
    if os.environ.get("SPLITCOST_MODE") != "record":
        return (yield)
    from splitcost import recorder

    token = recorder.begin_test(item.nodeid)
    failure: BaseException | None = None
    try:
        return (yield)
    except BaseException as error:
        failure = error
        raise
    finally:
        recorder.end_test(token, failure)

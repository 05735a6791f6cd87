"""Clients of Redis and of HTTP: the callee makes its own, with the same settings."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from case_support import case_split, checks_of, run_check
from rehearsal_support import Split

sys.path.append(str(Path(__file__).parents[1] / "recorder"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The services of the case `clients`, with a server of Redis."""
    import database_support

    with database_support.redis() as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASE_REDIS", place)
        with case_split("clients", tmp_path_factory.mktemp("clients"), copied=[]) as services:
            yield services


def test_not_more_than_some_clients_are_kept() -> None:
    import httpx
    from splitcost.rehearsal.resources import clients as made

    for number in range(2 * made.MOST_CLIENTS):
        with httpx.Client(headers={"x-request-id": str(number)}) as client:
            described = made.describe(client)
        assert described is not None
        first = made.make(described)
        assert first is made.make(described)
    assert len({id(each) for each in gc.get_objects() if type(each) is httpx.Client}) < 2 * made.MOST_CLIENTS


@pytest.mark.parametrize("check", checks_of("clients"))
def test_a_client(clients: Split, check: str) -> None:
    run_check(clients, check)

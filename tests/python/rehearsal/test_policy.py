"""The policy of calls between services, faults inside a service, and links between services."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rehearsal_support import POLICY, Split, wait_for
from splitcost.rehearsal.faults import Faults
from splitcost.rehearsal.policy import NO_LIMITS, Budget

TOKENS = int(POLICY["budget_tokens"])
HOWS = ("loop", "thread")


@contextmanager
def silent_port() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in taken:
                connection.close()


def check_attempts(split: Split, calls: int, attempts: int) -> None:
    """Main has counted so many under a fault."""
    assert list(split.report()["attempts"].values()) == [[calls, attempts]]


def always_on(path: Path, slow: float = 1.0) -> None:
    now = time.monotonic()
    path.write_text(json.dumps({"from_secs": now, "until_secs": now + 3600, "slow": slow}))


@pytest.mark.parametrize("stack", ["httpx", "grpc"])
@pytest.mark.parametrize("how", HOWS)
def test_a_call_that_nobody_answers_is_made_again(stack: str, how: str, tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    always_on(faults)
    policy = {"timeout_millis": 200, "retries": 2, "backoff_millis": 1}
    with silent_port() as (port, _):
        links = {"main": {"pricing": f"127.0.0.1:{port}"}}
        split = Split(stack, tmp_path, policy=policy, links=links, faults=str(faults))
        try:
            split.start("main")
            error = split.error("pricing:where", how=how)
            assert error["type"] in ("DeadlineExceeded", "ServiceUnavailable")
            check_attempts(split, 1, 3)
        finally:
            split.stop()


def test_a_budget_ends_the_retries(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    always_on(faults)
    policy = {"timeout_millis": 5_000, "retries": 3, "backoff_millis": 1, "budget": 0.0}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        links = {"main": {"pricing": f"127.0.0.1:{probe.getsockname()[1]}"}}  # Bound, and nobody listens.
        split = Split("httpx", tmp_path, policy=policy, links=links, faults=str(faults))
        try:
            split.start("main")
            for _ in range(6):
                assert split.error("pricing:where", how="thread")["type"] == "ServiceUnavailable"
            check_attempts(split, 6, 6 + TOKENS)
        finally:
            split.stop()


def test_an_error_of_the_function_is_no_reason_to_call_again(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    always_on(faults)
    split = Split("httpx", tmp_path, policy={"retries": 5}, faults=str(faults))
    try:
        split.start("main", "pricing")
        assert split.error("pricing:where", "too", "many")["type"] == "TypeError"
        check_attempts(split, 1, 1)
    finally:
        split.stop()


@pytest.mark.parametrize("how", HOWS)
def test_without_a_timeout_a_call_waits(how: str, tmp_path: Path) -> None:
    with silent_port() as (port, taken):
        links = {"main": {"pricing": f"127.0.0.1:{port}"}}
        split = Split("httpx", tmp_path, policy={"timeout_millis": None}, links=links)
        try:
            split.start("main")
            error: dict[str, Any] = {}
            call = threading.Thread(target=lambda: error.update(split.error("pricing:where", how=how)))
            call.start()
            wait_for(lambda: taken, "a connection to the silent port")
            assert not error
            taken[0].close()
            call.join(20)
            assert error["type"] == "ServiceUnavailable"
        finally:
            split.stop()


def test_a_slow_service_takes_longer_and_computes_the_same(fresh_split: Split) -> None:
    faults = fresh_split.directory / "faults.json"
    fresh_split.document["faults"] = str(faults)
    fresh_split.description.write_text(json.dumps(fresh_split.document))
    fresh_split.start("main", "pricing")
    fresh_split.run("pricing:nap")
    always_on(faults, slow=20.0)

    def slow() -> bool:
        began = time.monotonic()
        fresh_split.run("pricing:nap")
        fresh_split.run("pricing:nap_async")
        return time.monotonic() - began >= 2 * 20 * 0.01

    # The file is looked for now and then.
    wait_for(slow, "a service that is slow")


def test_faults_begin_and_end(tmp_path: Path) -> None:
    assert Faults(None).slowness() == 1.0
    path = tmp_path / "faults.json"
    now = time.monotonic()
    for begins, ends, slowness in [(-2, -1, 1.0), (-1, 60, 3.0), (60, 61, 1.0)]:
        path.write_text(json.dumps({"from_secs": now + begins, "until_secs": now + ends, "slow": 3.0}))
        assert Faults(path).slowness() == slowness


def test_backoff_doubles_and_is_drawn_from_nothing_to_all_of_it() -> None:
    policy = replace(NO_LIMITS, backoff_secs=0.1)
    for retry, most in [(1, 0.1), (2, 0.2), (5, 1.6)]:
        waits = [policy.wait_secs(retry) for _ in range(2_000)]
        assert 0 <= min(waits) < 0.05 * most
        assert 0.95 * most < max(waits) <= most


def test_a_budget_is_earned_by_calls() -> None:
    budget = Budget(replace(NO_LIMITS, budget=0.5, budget_tokens=TOKENS))
    assert [budget.spend() for _ in range(TOKENS + 1)] == [True] * TOKENS + [False]
    budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()
    unlimited = Budget(NO_LIMITS)
    assert all(unlimited.spend() for _ in range(100))

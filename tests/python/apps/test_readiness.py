"""Calls between modules that are more than data to a function: priced, and never silently left out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from apps_support import copied, splitcost


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app with a recording of it."""
    directory = copied("store", tmp_path_factory.mktemp("project"))
    recorded = splitcost(directory, "record")
    assert recorded.returncode == 0, recorded.stderr
    return directory


@pytest.fixture(scope="module")
def rehearsed(project: Path) -> subprocess.CompletedProcess[str]:
    return splitcost(project, "rehearse", "--budget", "1s", "--precision", "50", "--format", "json")


@pytest.fixture(scope="module")
def splits(rehearsed: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    # One of three splits is not run.
    assert rehearsed.returncode == 1, rehearsed.stderr
    return {split["name"]: split for split in json.loads(rehearsed.stdout)["splits"]}


def test_a_call_back_into_a_blocked_loop_is_the_verdict(
    rehearsed: subprocess.CompletedProcess[str], splits: dict[str, dict[str, Any]]
) -> None:
    vault = splits["vault"]
    assert "cannot rehearse the split vault: GET /vault/{item} would never be answered" in rehearsed.stderr
    (call_back,) = vault["estimate"]["call_backs"]
    assert call_back["endpoint"] == "GET /vault/{item}"
    hops = [(hop["caller_service"], hop["callee"], hop["callee_service"]) for hop in call_back["path"]]
    assert hops == [("main", "store.vault:tell", "vault"), ("vault", "store.kinds:text", "main")]
    assert [hop["file"] for hop in call_back["path"]] == ["store/main.py", "store/vault.py"]
    verdict = vault["verdict"]
    assert verdict["class"] == "prohibitive"
    assert "never answers GET /vault/{item}" in verdict["sentence"]
    assert vault["estimate"]["split"]["saturation_reqs_per_sec"]["value"] > 0
    assert vault["proposed_copies"] == ["store.kinds"]


def test_methods_of_a_service_object_are_priced(splits: dict[str, dict[str, Any]]) -> None:
    pricing = splits["pricing"]
    (call,) = pricing["estimate"]["calls"]
    assert (call["callee"], call["readiness"]) == ("store.pricing:Pricing.price", "object")
    assert call["calls_per_request"] == 10
    evidence = pricing["estimate"]["evidence"]
    assert evidence["measured_per_request"] == evidence["calls_per_request"] > 0


def test_methods_of_a_service_object_are_rehearsed(splits: dict[str, dict[str, Any]]) -> None:
    pricing = splits["pricing"]
    evidence = pricing["estimate"]["evidence"]
    assert evidence["rehearsed_per_request"] == evidence["calls_per_request"]
    assert pricing["cannot_cross"] == []
    audit = pricing["rehearsal"]["audit"]
    assert audit["differences"] == []
    assert audit["answered_per_request"] == audit["predicted_per_request"] == pytest.approx(10 / 3)


def test_start_up_and_constructors_refuse_no_split(splits: dict[str, dict[str, Any]]) -> None:
    reports = splits["reports"]
    audit = reports["rehearsal"]["audit"]
    # Five of each request; a third of them makes one call.
    assert (audit["requests"], audit["differences"]) == (15, [])
    assert audit["predicted_per_request"] == audit["answered_per_request"] == pytest.approx(1 / 3)
    assert reports["cannot_cross"] == []

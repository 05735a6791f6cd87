"""Calls that need writes which their request has not committed: they stay in the caller, as predicted."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from apps_support import APPS, rehearsed

UNCOMMITTED = "call needs writes that are not committed yet"


def function_at(line: int) -> str:
    """The function of the app's main module in which a line is."""
    tree = ast.parse((APPS / "ledger" / "main.py").read_text())
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in tree.body if isinstance(node, defined)]
    return next(node.name for node in functions if node.lineno <= line <= (node.end_lineno or 0))


def test_calls_stay_with_uncommitted_writes_as_predicted(tmp_path: Path) -> None:
    split = rehearsed("ledger", "audit", tmp_path)
    audit = split["rehearsal"]["audit"]
    assert audit["differences"] == []
    # One call each of `kept_flushed` (which needs no database), `read`, `same`, `committed` and `rolled_back`,
    # and two of `entered`, which has nothing of its own to commit.
    assert audit["predicted_per_request"] == audit["answered_per_request"] == pytest.approx(7 / 11)
    stay = split["rehearsal"]["cannot_cross"]
    assert {each["reason"] for each in stay} == {UNCOMMITTED}
    assert {(function_at(each["line"]), each["callee"].partition(":")[2]) for each in stay} == {
        ("kept_flushed", "is_filled"),
        ("kept_flushed", "is_listed"),
        ("kept_pending", "is_filled"),
        ("kept_dirty", "is_filled"),
        ("kept_awaited", "is_filled_async"),
        ("kept_scoped", "is_found"),
        ("kept_core", "is_listed"),
    }
    assert split["rehearsal"]["answers"]["equal"] == 100
    predicted = {site["callee"].partition(":")[2]: site["reason"] for site in split["cannot_cross"]}
    assert predicted == dict.fromkeys(
        ("is_filled", "is_filled_async", "is_found", "is_listed"), f"the {UNCOMMITTED}"
    )

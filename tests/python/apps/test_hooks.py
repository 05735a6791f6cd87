"""Functions that others hold: a framework, which calls them around a handler, a table, a decorator object."""

from __future__ import annotations

from pathlib import Path

import pytest
from apps_support import rehearsed


@pytest.mark.parametrize(
    ("app", "crossing", "calls_per_request"),
    [
        # `before_request`, `after_request`, `teardown_request` and an error handler run where the request is.
        ("booth", {"booth.auth:may"}, 1 / 2),
        # A dependency and a background task that a route names cross; what they depend on, and middleware, do not.
        ("desk", {"desk.auth:user", "desk.auth:note"}, 2 / 3),
    ],
)
def test_hooks_are_predicted_where_they_run(
    app: str, crossing: set[str], calls_per_request: float, tmp_path: Path
) -> None:
    split = rehearsed(app, "auth", tmp_path)
    assert {call["callee"] for call in split["estimate"]["calls"]} == crossing
    audit = split["rehearsal"]["audit"]
    assert audit["differences"] == []
    assert audit["predicted_per_request"] == audit["answered_per_request"] == pytest.approx(calls_per_request)
    assert split["cannot_cross"] == []


def test_functions_cross_as_predicted_whoever_holds_them(tmp_path: Path) -> None:
    split = rehearsed("tariff", "rates", tmp_path)
    assert {
        call["callee"].partition(":")[2]: call["calls_per_request"] for call in split["estimate"]["calls"]
    } == {
        "day": 1,
        "night": 1,
        "weekend": 1,
        "taxed": 1,
        "rounded": 1,
        "_": 1,
        "Meter.read": 2,
    }
    audit = split["rehearsal"]["audit"]
    assert audit["differences"] == []
    assert audit["predicted_per_request"] == audit["answered_per_request"] == pytest.approx(1)
    assert split["cannot_cross"] == []
    # The monolith that is measured has the hooks of a service; the one whose answers are right has none.
    answers = split["rehearsal"]["answers"]
    assert [(each["endpoint"], each["place"]) for each in answers["differences"]] == [
        ("GET /watched/{n}", "$[1]: another boolean")
    ]
    assert answers["compared"] == 100
    assert answers["not_compared"] == []

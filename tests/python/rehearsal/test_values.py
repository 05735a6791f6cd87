"""Values of every kind keep their type, value and meaning between services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from case_support import case_split, checks_of, run_check, stayed
from rehearsal_support import Split

#: The cases, and the types that no codec can carry: their calls stay in the caller.
CASES: dict[str, set[str]] = {
    "dataclasses": {"list"},  # One that holds itself.
    "enums": set(),
    "exceptions": set(),
    "times": set(),
}


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Split]]:
    """The services of a case."""
    with case_split(request.param, tmp_path_factory.mktemp(request.param)) as services:
        yield request.param, services


def test_checks_pass_in_a_split_as_they_do_in_one_process(case: tuple[str, Split]) -> None:
    name, services = case
    for check in checks_of(name):
        run_check(services, check)
    assert stayed(services) == CASES[name]

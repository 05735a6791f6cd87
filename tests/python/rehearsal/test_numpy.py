"""Arrays and numbers of numpy keep their type, shape and order between services."""

from __future__ import annotations

from pathlib import Path

from case_support import case_split, checks_of, run_check, stayed


def test_arrays_and_scalars_come_back_as_themselves(tmp_path: Path) -> None:
    with case_split("numbers", tmp_path) as services:
        for check in checks_of("numbers"):
            run_check(services, check)
        # An array of objects, one with fields, and one with a mask stay.
        assert stayed(services) == {"numpy.ndarray", "numpy.ma.MaskedArray"}

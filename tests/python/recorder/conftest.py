"""Fixtures: a directory to record into."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorder_support import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """A fresh directory to record into."""
    return Runs(tmp_path)

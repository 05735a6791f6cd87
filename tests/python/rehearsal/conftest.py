"""Fixtures: the app under ``app/`` as three services over either stack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "app")]

from rehearsal_support import Split  # noqa: E402


@pytest.fixture(scope="module", params=["httpx", "grpc"])
def split(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """Main, pricing and inventory, shared by a module's tests."""
    services = Split(request.param, tmp_path_factory.mktemp(request.param))
    try:
        services.start("main", "pricing", "inventory")
        yield services
    finally:
        services.stop()


@pytest.fixture(params=["httpx", "grpc"])
def fresh_split(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Split]:
    """Not started yet, for tests that kill services or need their own settings."""
    services = Split(request.param, tmp_path)
    try:
        yield services
    finally:
        services.stop()

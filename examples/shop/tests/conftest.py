"""A seeded database of its own for the test session, and a client."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# The shop reads its settings when it is imported: the database must be named before.
_directory = tempfile.TemporaryDirectory(prefix="shop-tests-")
os.environ["SHOP_DATABASE"] = str(Path(_directory.name) / "shop.db")

from fastapi.testclient import TestClient  # noqa: E402

from shop.main import app  # noqa: E402
from shop.seed import seed  # noqa: E402


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    seed()
    with TestClient(app, headers={"x-user-id": "3"}) as client:
        yield client
    _directory.cleanup()

"""Modules that are classes of one file, parts of packages or third-party packages: recorded, priced, rehearsed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apps_support import copied, splitcost


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app with a recording of it."""
    directory = copied("desk", tmp_path_factory.mktemp("desk"))
    recorded = splitcost(directory, "record")
    assert recorded.returncode == 0, recorded.stderr
    return directory


def calls(split: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(call["caller"], call["callee"], call["readiness"]) for call in split["estimate"]["calls"]}


def test_a_class_of_a_file_is_shown_and_priced(desk: Path) -> None:
    shown = splitcost(desk, "show", "--format", "json")
    assert "desk.services:Orders" in {edge["callee"] for edge in json.loads(shown.stdout)["edges"]}
    estimated = splitcost(desk, "estimate", "--split", "orders", "--format", "json")
    assert estimated.returncode == 0, estimated.stderr
    (split,) = json.loads(estimated.stdout)["splits"]
    assert calls(split) == {
        ("desk.main", "desk.services:Orders.place", "object"),
        ("desk.main", "desk.services:Rush.place", "object"),
        # The decorator's wrapper is the file's.
        ("desk.services", "desk.services:Orders.cancel", "object"),
        ("desk.services:Orders", "desk.services:rate", "ready"),
    }
    evidence = split["estimate"]["evidence"]
    assert evidence["measured_per_request"] == evidence["calls_per_request"] > 0
    assert evidence["rehearsed_per_request"] == 0
    assert {site["callee"] for site in split["cannot_cross"]} == {
        "desk.services:Orders.place",
        "desk.services:Rush.place",
        "desk.services:Orders.cancel",
    }
    assert all(site["file"].startswith("desk/") for site in split["cannot_cross"])


def test_a_split_of_classes_alone_is_not_rehearsed(desk: Path) -> None:
    rehearsed = splitcost(desk, "rehearse", "--split", "orders", "--budget", "1s", "--precision", "50")
    assert rehearsed.returncode == 1, rehearsed.stderr
    assert "none of its calls between services" in rehearsed.stderr


def set_modules(project: Path, names: str, directory: Path) -> Path:
    """Copy the settings of a recorded app with another service in them; gives the copy's directory."""
    text = (project / "splitcost.toml").read_text().partition("[splits.orders]")[0]
    (directory / "desk").symlink_to(project / "desk")
    (directory / ".splitcost").symlink_to(project / ".splitcost")
    (directory / "splitcost.toml").write_text(f"{text}[splits.a]\nservices = {{ a = {names} }}\n")
    return directory


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        ('["desk.service"]', "the module desk.service does not exist", "did you mean desk.services?"),
        (
            '["desk.services:Order"]',
            "the class desk.services:Order does not exist",
            "did you mean desk.services:Orders?",
        ),
        (
            '["desk.services:Users"]',
            "split a: the recording does not tell desk.services:Users apart from desk.services",
            "record again",
        ),
        ('["stripe"]', "module stripe is not inside the package desk", "`modules` further ones"),
    ],
)
def test_a_wrong_name_is_an_error(desk: Path, tmp_path: Path, names: str, message: str, hint: str) -> None:
    estimated = splitcost(set_modules(desk, names, tmp_path), "estimate")
    assert estimated.returncode == 2
    assert message in estimated.stderr
    assert hint in estimated.stderr


def run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=120)


PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "parcel"
version = "1"
[tool.setuptools]
package-dir = { "" = "src" }
packages = ["parcel", "parcel.post"]
"""
MAIN = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
import orjson_like
from parcel.post import office

async def send(request):
    office.stamp(1)
    return JSONResponse(orjson_like.pack(1))

app = Starlette(routes=[Route("/", send)])
"""
SETTINGS = """\
[app]
command = ["uvicorn", "parcel.main:app", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"]
package = "parcel"
modules = ["orjson_like"]
depth = 3
env = { PYTHONPATH = "SITE" }
[[workload.requests]]
path = "/"
[load]
concurrency = 2
[splits.library]
services = { library = ["orjson_like"], post = ["parcel.post"] }
"""


def test_an_installed_app_is_split(tmp_path: Path) -> None:
    """Pip installs the app and a library beside it; both are recorded, and a library is a service where it is named."""
    project, site = tmp_path / "project", tmp_path / "site-packages"
    (project / "src/parcel/post").mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "src/parcel/__init__.py").touch()
    (project / "src/parcel/main.py").write_text(MAIN)
    (project / "src/parcel/post/__init__.py").touch()
    (project / "src/parcel/post/office.py").write_text("def stamp(n):\n    return n\n")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(project), cwd=tmp_path)
    (site / "orjson_like.py").write_text("def pack(n):\n    return {'n': n}\n")
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "splitcost.toml").write_text(SETTINGS.replace("SITE", str(site)))
    recorded = splitcost(settings, "record")
    assert recorded.returncode == 0, recorded.stderr
    estimated = splitcost(settings, "estimate", "--format", "json")
    assert estimated.returncode == 0, estimated.stderr
    (split,) = json.loads(estimated.stdout)["splits"]
    assert calls(split) == {
        ("parcel.main", "parcel.post.office:stamp", "ready"),
        ("parcel.main", "orjson_like:pack", "ready"),
    }
    for call in split["estimate"]["calls"]:
        assert call["file"].endswith("parcel/main.py")

"""The output of ``python -m splitcost.stacks``, and the messages about missing packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rehearsal_support import PACKAGE_PARENT
from splitcost import stacks


def test_both_stacks_are_listed_with_versions() -> None:
    command = [sys.executable, "-m", "splitcost.stacks", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    document = json.loads(found.stdout)
    listed = {stack["name"]: stack for stack in document["stacks"]}
    assert set(listed) == {"httpx", "grpc"}
    for stack in listed.values():
        assert stack["available"]
        assert stack["missing"] == []
        assert {"orjson", "uvicorn"} <= stack["versions"].keys()
    assert "grpcio" in listed["grpc"]["versions"]


def _without(module: str, directory: Path) -> dict[str, str]:
    """An environment in which a module cannot be found."""
    (directory / "sitecustomize.py").write_text(
        "import importlib.util, sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name == {module!r} else find(name, *rest)\n"
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(PACKAGE_PARENT)])}


@pytest.mark.parametrize(("module", "requirement"), [("grpc", "grpcio"), ("orjson", "orjson")])
def test_the_pip_command_for_a_missing_package_is_shown(
    tmp_path: Path, module: str, requirement: str
) -> None:
    environment = _without(module, tmp_path)
    command = [sys.executable, "-m", "splitcost.stacks", "--json"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    listed = {stack["name"]: stack for stack in json.loads(found.stdout)["stacks"]}
    assert listed["grpc"]["missing"] == [requirement]
    environment["SPLITCOST_TOKEN"] = "secret"
    command = [sys.executable, "-m", "splitcost.calibration", "server", "--stack", "grpc"]
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert failed.returncode == 2
    assert f"pip install {requirement}" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_rehearsal_without_its_packages_does_not_start_the_app(tmp_path: Path) -> None:
    environment = _without("orjson", tmp_path)
    description = tmp_path / "rehearsal.json"
    service = {"rpc_port": 1, "modules": []}
    document = {"token": "t", "stack": "httpx", "services": {"main": service}, "packages": ["bazaar"]}
    document["main_service"] = "main"
    description.write_text(json.dumps(document))
    bootstrap = PACKAGE_PARENT / "splitcost" / "_bootstrap"
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(bootstrap), environment["PYTHONPATH"]]),
        "SPLITCOST_MODE": "rehearse",
        "SPLITCOST_REHEARSAL": str(description),
        "SPLITCOST_SERVICE": "main",
    }
    command = [sys.executable, "-c", "print('the app runs')"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert "the app runs" not in found.stdout
    assert "pip install orjson" in found.stderr


def test_an_unknown_stack() -> None:
    with pytest.raises(ValueError, match="unknown stack 'carrier pigeon': one of httpx, grpc"):
        stacks.load("carrier pigeon")

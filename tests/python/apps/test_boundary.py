"""The interface of a split as code, from a real recording: Python imports it, and references resolve."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import grpc_tools
import openapi_spec_validator
import pytest
from apps_support import copied, splitcost
from grpc_tools import protoc


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app with a recording of it."""
    directory = copied("store", tmp_path_factory.mktemp("project"))
    recorded = splitcost(directory, "record")
    assert recorded.returncode == 0, recorded.stderr
    return directory


def shown(project: Path, split: str, *arguments: str) -> str:
    answer = splitcost(project, "show", "--boundary", split, *arguments)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def called(project: Path) -> list[tuple[str, dict[str, Any]]]:
    """The services that others call, each with its split."""
    splits = ("vault", "pricing", "reports")
    every = {split: json.loads(shown(project, split, "--format", "json")) for split in splits}
    return [
        (split, service)
        for split, interfaces in every.items()
        for service in interfaces["services"]
        if service["functions"]
    ]


def test_the_models_can_be_imported(
    project: Path,
    called: list[tuple[str, dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert called
    monkeypatch.syspath_prepend(tmp_path)
    for number, (split, service) in enumerate(called):
        source = shown(project, split, "--service", service["service"], "--format", "pydantic")
        name = f"interface_{number}"
        (tmp_path / f"{name}.py").write_text(source)
        module = importlib.import_module(name)
        results = [result for result in vars(module) if result.endswith("Result")]
        assert len(results) == len(service["functions"])
        for result in results:
            getattr(module, result).model_json_schema()


def test_the_openapi_document_defines_what_it_refers_to(
    project: Path, called: list[tuple[str, dict[str, Any]]]
) -> None:
    for split, service in called:
        text = shown(project, split, "--service", service["service"], "--format", "openapi")
        document = json.loads(text)
        assert document["openapi"] == "3.1.0"
        assert len(document["paths"]) == len(service["functions"])
        schemas = document["components"]["schemas"]
        referred = re.findall(r'"#/components/schemas/([^"]+)"', text)
        assert referred
        assert set(referred) <= set(schemas)


def test_the_standard_tools_accept_the_documents(
    project: Path, called: list[tuple[str, dict[str, Any]]], tmp_path: Path
) -> None:
    assert called
    for number, (split, service) in enumerate(called):
        of_service = ("--service", service["service"], "--format")
        openapi_spec_validator.validate(json.loads(shown(project, split, *of_service, "openapi")))
        proto = tmp_path / f"interface_{number}.proto"
        proto.write_text(shown(project, split, *of_service, "proto"))
        include = Path(grpc_tools.__file__).parent / "_proto"
        paths = [f"--proto_path={tmp_path}", f"--proto_path={include}", f"--python_out={tmp_path}"]
        assert protoc.main(["protoc", *paths, f"--grpc_python_out={tmp_path}", str(proto)]) == 0
        generated = (tmp_path / f"interface_{number}_pb2_grpc.py").read_text()
        assert len(re.findall(r"^class \w+Servicer\b", generated, re.MULTILINE)) == 1

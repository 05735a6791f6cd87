"""A server that a standard tool generates from an OpenAPI document of ours answers calls as they were recorded."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from apps_support import splitcost

ROOT = Path(__file__).parents[3]
GENERATOR = Path(sys.prefix) / "generator/bin/fastapi-codegen"
DEADLINE_SECS = 60

# The work of whoever starts a service from the skeleton: the body of two functions.
BODIES = {
    "def price_line(": "return rules.price_line(values.PriceRequest(**vars(body.request)))",
    "def coupon_discount(": "return rules.coupon_discount(body.code, body.total, body.on)",
}
# The generator leaves out the import of a result that is no model.
IMPORTS = """from decimal import Decimal

from shop.pricing import models as values, service as rules
"""
REQUEST = {
    "product_id": 7,
    "category": "books",
    "list_price": "10.00",
    "quantity": 3,
    "tier": "gold",
    "on": "2026-01-31",
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The interface of the shop's service pricing, as the shop's own tests used it."""
    shop = tmp_path_factory.mktemp("project") / "shop"
    ignored = shutil.ignore_patterns("__pycache__", ".splitcost")
    shutil.copytree(ROOT / "examples/shop", shop, ignore=ignored)
    recorded = splitcost(shop, "record", "--", "python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert recorded.returncode == 0, recorded.stderr
    of_pricing = ("--boundary", "pricing", "--service", "pricing", "--format", "openapi")
    shown = splitcost(shop, "show", *of_pricing)
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


@pytest.fixture(scope="module")
def server(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The generated server with two bodies, in a process of its own; gives its URL."""
    assert GENERATOR.exists(), "`make .venv/.generator` installs the generator"
    directory = tmp_path_factory.mktemp("server")
    (directory / "pricing.json").write_text(json.dumps(document))
    command = [GENERATOR, "--input", "pricing.json", "--output", "skeleton"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=DEADLINE_SECS)
    main = directory / "skeleton/main.py"
    source = main.read_text().replace("from fastapi", f"{IMPORTS}from fastapi", 1)
    for definition, body in BODIES.items():
        before, after = source.split(definition)
        source = before + definition + after.replace("pass\n", f"{body}\n", 1)
    main.write_text(source)
    (directory / "skeleton/__init__.py").touch()
    command = [sys.executable, "-m", "uvicorn", "skeleton.main:app", "--fd"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "examples/shop")}
    # Only the server keeps the socket: where it ends early, calls are refused.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        process = subprocess.Popen([*command, str(fd)], cwd=directory, env=environment, pass_fds=[fd])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(DEADLINE_SECS)


def answered(server: str, document: dict[str, Any], path: str, arguments: dict[str, Any]) -> Any:
    """The answer to a call; arguments and answer have the shapes that the document gives them."""
    operation = document["paths"][path]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    result = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(arguments, {**asked, "components": document["components"]})
    answer = httpx.post(server + path, json=arguments, timeout=DEADLINE_SECS)
    assert answer.status_code == 200, answer.text
    jsonschema.validate(answer.json(), {**result, "components": document["components"]})
    return answer.json()


def test_a_generated_server_answers_recorded_calls(server: str, document: dict[str, Any]) -> None:
    line = answered(server, document, "/shop.pricing/price_line", {"request": REQUEST})
    assert (line["product_id"], line["quantity"], line["net"]) == (7, 3, "30.00")
    assert set(line) == set(document["components"]["schemas"]["PricedLine"]["properties"])
    coupon = {"code": "WELCOME10", "total": "100.00", "on": "2026-01-31"}
    assert answered(server, document, "/shop.pricing/coupon_discount", coupon) == "10.00"


def test_a_generated_server_refuses_what_is_no_recorded_shape(server: str) -> None:
    wrong = {"request": {**REQUEST, "quantity": "three"}}
    answer = httpx.post(f"{server}/shop.pricing/price_line", json=wrong, timeout=DEADLINE_SECS)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "request", "quantity"]

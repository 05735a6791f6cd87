"""The workload of `splitcost.toml` never fails, and orders placed side by side are all kept."""

import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shop.inventory.service import stock_level

CONFIG = tomllib.loads((Path(__file__).parent.parent / "splitcost.toml").read_text())
REQUESTS = CONFIG["workload"]["requests"]


def _fill(template: Any, values: dict[str, Any]) -> Any:
    """A template with its placeholders replaced, as the load generator does it."""
    if isinstance(template, dict):
        return {key: _fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    if whole := re.fullmatch(r"\{(\w+)\}", template):
        return values[whole[1]]
    return re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]), template)


@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("request_", REQUESTS, ids=[f"{r['method']} {r['path']}" for r in REQUESTS])
def test_both_ends_of_every_range(client: TestClient, request_: dict[str, Any], end: int) -> None:
    values = {name: next(iter(spec.values()))[end] for name, spec in request_.get("params", {}).items()}
    headers = {name: str(_fill(value, values)) for name, value in request_.get("headers", {}).items()}
    body = _fill(request_["body"], values) if "body" in request_ else None
    for _ in range(2):
        answer = client.request(
            request_["method"], _fill(request_["path"], values), headers=headers, json=body
        )
        assert answer.is_success, answer.text


def test_orders_side_by_side(client: TestClient) -> None:
    before = stock_level(60).on_hand

    def place(number: int) -> int:
        wish = {"lines": [{"product_id": 60, "quantity": 2}, {"product_id": 61 + number, "quantity": 1}]}
        answer = client.post("/orders", json=wish, headers={"x-user-id": "233"})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(place, range(40)))
    assert len(set(placed)) == 40
    assert stock_level(60).on_hand == before - 80
    assert all(client.get(f"/orders/{order_id}").json()["invoice"] for order_id in placed)

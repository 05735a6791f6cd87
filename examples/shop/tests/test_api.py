"""The shop through its front door."""

from decimal import Decimal

import pytest
from fastapi.testclient import TestClient

from shop.db import sync_session
from shop.inventory.models import StockItem
from shop.inventory.service import stock_level


def test_health(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_user(client: TestClient) -> None:
    user = client.get("/users/3").json()
    assert user["email"] == "dana.duarte.3@example.com"
    assert user["tier"] == "silver"
    assert user["created_at"] == "2026-01-05T11:00:00Z"


def test_product_shows_the_customers_price_and_the_stock(client: TestClient) -> None:
    detail = client.get("/products/7", headers={"x-user-id": "1"}).json()
    assert detail["product"]["sku"].startswith("TOY-")
    assert detail["availability"] == "in stock"
    assert Decimal(detail["your_price"]) > Decimal(detail["product"]["list_price"]), "tax is in the price"
    silver = client.get("/products/7", headers={"x-user-id": "3"}).json()
    assert Decimal(silver["your_price"]) < Decimal(detail["your_price"])


def test_products_of_a_category_know_their_availability(client: TestClient) -> None:
    page = client.get("/products", params={"category": "garden", "page": 2}).json()
    assert page["page"] == 2
    assert len(page["cards"]) == 20
    assert {card["category"] for card in page["cards"]} == {"garden"}
    assert {card["availability"] for card in page["cards"]} == {"in stock"}


def test_quote_adds_up(client: TestClient) -> None:
    query = {"quantity": 60, "coupon": "WELCOME10"}
    quote = client.get("/products/11/quote", params=query).json()
    amount = {key: Decimal(quote[key]) for key in ("net", "discount", "tax", "coupon_discount", "total")}
    assert amount["total"] == amount["net"] - amount["discount"] + amount["tax"] - amount["coupon_discount"]
    assert amount["discount"] >= (amount["net"] * Decimal("0.10")).quantize(Decimal("0.01")), (
        "8 % volume, 2 % tier"
    )
    assert amount["coupon_discount"] > 0


@pytest.mark.parametrize("coupon", ["NOPE", "SUMMER24"])
def test_a_bad_coupon_is_the_callers_mistake(client: TestClient, coupon: str) -> None:
    answer = client.get("/products/11/quote", params={"coupon": coupon})
    assert answer.status_code == 422
    assert coupon in answer.json()["detail"]
    order = {"lines": [{"product_id": 1, "quantity": 1}], "coupon": coupon}
    answer = client.post("/orders", json=order)
    assert answer.status_code == 422
    assert answer.json()["error"] == "OrderRejected"


def test_coupon(client: TestClient) -> None:
    assert client.get("/coupons/fiver").json()["amount"] == "5.00"
    assert client.get("/coupons/SUMMER24").status_code == 404


def test_history_prices_every_line_again(client: TestClient) -> None:
    orders = client.get("/users/5/orders").json()
    assert [order["id"] for order in orders] == [1405, 1205, 1005, 805, 605, 405, 205, 5]
    for order in orders:
        assert 2 <= len(order["lines"]) <= 4
        assert sum(Decimal(line["paid"]) for line in order["lines"]) == Decimal(order["total"])
        assert sum(Decimal(line["today"]) for line in order["lines"]) == Decimal(order["total_today"])


def test_a_stranger_has_no_history(client: TestClient) -> None:
    assert client.get("/users/4711/orders").json() == []


def test_order_has_customer_invoice_and_message(client: TestClient) -> None:
    detail = client.get("/orders/6").json()
    assert detail["customer"] == "Goran Garcia"
    assert detail["invoice"]["number"] == "2026-0000006"
    assert detail["invoice"]["paid"] == detail["order"]["total"]
    assert detail["last_message"]["subject"] == "Your order 6"


def test_placing_and_paying_an_order(client: TestClient) -> None:
    customer = {"x-user-id": "230"}
    balance = Decimal(client.get("/dashboard/230").json()["balance"])
    wish = {
        "lines": [{"product_id": 20, "quantity": 2}, {"product_id": 21, "quantity": 5}],
        "coupon": "LOYAL3",
    }
    answer = client.post("/orders", json=wish, headers=customer)
    assert answer.status_code == 201, answer.text
    order = answer.json()
    total = Decimal(order["total"])
    assert total == sum(Decimal(line["gross"]) for line in order["lines"]) - Decimal(order["discount"])

    detail = client.get(f"/orders/{order['id']}").json()
    assert detail["order"] == order
    assert detail["last_message"]["kind"] == "order confirmation"
    invoice = client.get(f"/orders/{order['id']}/invoice")
    assert invoice.headers["content-type"] == "application/pdf"
    assert invoice.content.startswith(b"%PDF-1.4")
    assert detail["invoice"]["number"].encode() in invoice.content

    def pay(amount: Decimal) -> dict[str, str]:
        body = {"amount": str(amount), "method": "card"}
        answer = client.post(f"/orders/{order['id']}/payments", json=body, headers=customer)
        assert answer.status_code == 201, answer.text
        return answer.json()

    part = pay(Decimal("5.00"))
    assert part["status"] == "placed"
    assert Decimal(part["open_amount"]) == total - 5
    rest = pay(total)
    assert rest["status"] == "paid"
    assert Decimal(rest["open_amount"]) == 0
    dashboard = client.get("/dashboard/230").json()
    assert Decimal(dashboard["balance"]) == balance + 5
    assert dashboard["orders"][0] == {
        "id": order["id"],
        "status": "paid",
        "total": order["total"],
        "placed_at": order["placed_at"],
    }
    assert [message["kind"] for message in dashboard["messages"]] == [
        "payment received",
        "payment received",
        "order confirmation",
    ]


def test_one_article_twice_is_one_line(client: TestClient) -> None:
    line = {"product_id": 30, "quantity": 3}
    order = client.post("/orders", json={"lines": [line, line]}, headers={"x-user-id": "231"}).json()
    assert [(line["product_id"], line["quantity"]) for line in order["lines"]] == [(30, 6)]


def test_an_order_that_the_stock_cannot_fill_changes_nothing(client: TestClient) -> None:
    _set_stock(41, 499)
    before = _stock(40)
    wish = {"lines": [{"product_id": 40, "quantity": 1}, {"product_id": 41, "quantity": 500}]}
    answer = client.post("/orders", json=wish, headers={"x-user-id": "232"})
    assert answer.status_code == 409
    assert answer.json() == {"error": "OutOfStock", "detail": "product 41 is not in stock 500 times"}
    assert _stock(40) == before
    assert client.get("/dashboard/232").json()["orders"] == []


def test_stock_cannot_fall_below_zero(client: TestClient) -> None:
    _set_stock(50, 5)
    answer = client.patch("/products/50/stock", json={"delta": -6, "reason": "inventory taking"})
    assert answer.status_code == 409
    level = client.patch("/products/50/stock", json={"delta": -5, "reason": "inventory taking"}).json()
    assert (level["on_hand"], level["availability"]) == (0, "sold out")
    assert client.get("/products/50").json()["availability"] == "sold out"


def test_dashboard(client: TestClient) -> None:
    dashboard = client.get("/dashboard/8").json()
    assert dashboard["user"]["id"] == 8
    assert len(dashboard["orders"]) == len(dashboard["messages"]) == 5
    assert len(dashboard["recommendations"]) == 6
    assert Decimal(dashboard["balance"]) < 0


def test_sales_report_is_large_and_adds_up(client: TestClient) -> None:
    answer = client.get("/reports/sales")
    assert 45_000 < len(answer.content) < 60_000
    report = answer.json()
    assert sum(Decimal(row["revenue"]) for row in report["rows"]) == Decimal(report["revenue"])
    assert sum(total["lines"] for total in report["categories"]) == len(report["rows"])


@pytest.mark.parametrize(
    "path",
    [
        "/users/4711",
        "/products/4711",
        "/products/4711/quote",
        "/orders/999999",
        "/orders/999999/invoice",
        "/dashboard/4711",
    ],
)
def test_what_does_not_exist(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "NotFound"


def test_requests_that_make_no_sense(client: TestClient) -> None:
    assert client.post("/orders", json={"lines": []}).status_code == 422
    assert client.post("/orders", json={"lines": [{"product_id": 1, "quantity": 0}]}).status_code == 422
    assert client.post("/orders", json={"lines": [{"product_id": 9999, "quantity": 1}]}).status_code == 404
    assert client.post("/orders/1/payments", json={"amount": "-1", "method": "card"}).status_code == 422
    assert client.get("/products", params={"category": "cars"}).status_code == 422


def _stock(product_id: int) -> int:
    return stock_level(product_id).on_hand


def _set_stock(product_id: int, on_hand: int) -> None:
    with sync_session() as session:
        item = session.get(StockItem, product_id)
        assert item is not None
        item.on_hand = on_hand
        session.commit()

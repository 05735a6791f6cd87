"""Tests of an app with the calls of a split as messages, in one process: `pytest --splitcost-loopback`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SETTINGS = """
    [app]
    command = ["python", "-m", "booth"]
    package = "booth"

    [splits.pricing]
    services = { pricing = ["booth.pricing"] }
    copied = ["booth.kinds"]
"""

KINDS = """
    import threading
    from contextvars import ContextVar

    LANGUAGE = ContextVar("language")
    TENANT = ContextVar("tenant")
    LOCAL = threading.local()

    class Refused(Exception):
        def __init__(self, item):
            super().__init__(f"no {item}")
            self.item = item
"""

PRICING = """
    import threading
    from booth import kinds

    class Tariff:
        def __init__(self):
            self.lock = threading.Lock()

        def price(self, item):
            return 2 * item

    tariff = Tariff()

    def price(item):
        if item < 0:
            raise kinds.Refused(item)
        return item * rate()

    def rate():
        return 2

    rate.digits = 2

    def digits():
        return rate.digits

    SHARED = []

    def same(value=SHARED):
        return value

    def fill(values):
        values.append(1)

    def lock():
        return threading.Lock()

    def odd():
        class Odd(Exception):
            pass
        raise Odd("odd")

    def language():
        return type(kinds.LANGUAGE.get()).__name__

    def tenant():
        return kinds.TENANT.get(), kinds.LOCAL.name

    async def tenant_later():
        return kinds.TENANT.get()

    async def later(item):
        return item + 1

    def pairs(items):
        yield from zip(items, items)
"""

MAIN = """
    import asyncio
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from booth import kinds, pricing

    def total(items):
        return sum(pricing.price(item) for item in items)

    def refused():
        try:
            pricing.price(-1)
        except kinds.Refused as error:
            return error.item

    def rounded():
        return pricing.digits()

    def is_same(value):
        return pricing.same() is pricing.same()

    def filled():
        values = []
        pricing.fill(values)
        return values

    def lock():
        return pricing.lock()

    def odd():
        try:
            pricing.odd()
        except Exception as error:
            return type(error).__name__

    def language():
        kinds.LANGUAGE.set(threading.Lock())
        return pricing.language()

    def tenant():
        kinds.TENANT.set("acme")
        kinds.LOCAL.name = "local"
        return [*pricing.tenant(), asyncio.run(pricing.tenant_later())]

    def tariff(item):
        return pricing.tariff.price(item)

    def later(item):
        return asyncio.run(pricing.later(item))

    def in_a_pool(item):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(pricing.price, item).result()

    def pairs():
        return list(pricing.pairs([1]))
"""

TESTS = """
    import inspect
    from unittest.mock import patch
    from booth import main, pricing

    def test_total():
        assert main.total([1, 2]) == 6

    def test_refused():
        assert main.refused() == -1

    def test_is_same():
        assert main.is_same([1])

    def test_filled():
        assert main.filled() == [1]

    def test_lock():
        assert main.lock()
        assert main.lock()

    def test_odd():
        assert main.odd() == "Odd"

    def test_language():
        assert main.language() == "lock"

    def test_tenant():
        assert main.tenant() == ["acme", "local", "acme"]

    def test_tariff():
        assert main.tariff(2) == 4

    def test_later():
        assert main.later(1) == 2

    def test_in_a_pool():
        assert main.in_a_pool(1) == 2

    def test_pairs():
        assert main.pairs() == [(1, 1)]

    def test_of_the_module_itself():
        value = [1]
        assert pricing.same(value) is value

    def test_functions_are_found_without_running_code():
        assert inspect.isfunction(inspect.getattr_static(pricing, "price"))
        assert inspect.getattr_static(pricing, "gone", default=3) == 3

    class TestsOfAClass:
        def test_one(self):
            assert main.__name__ == "booth.main"

    def test_attributes_of_functions():
        assert main.rounded() == 2
        with patch("booth.pricing.rate.digits", 3):
            assert main.rounded() == 3
"""


@pytest.fixture
def booth(tmp_path: Path) -> Path:
    """A package with its settings and tests."""
    package = tmp_path / "booth"
    package.mkdir()
    sources = {"__init__": "", "kinds": KINDS, "pricing": PRICING, "main": MAIN}
    for name, source in sources.items():
        (package / f"{name}.py").write_text(textwrap.dedent(source))
    (tmp_path / "splitcost.toml").write_text(textwrap.dedent(SETTINGS))
    (tmp_path / "test_booth.py").write_text(textwrap.dedent(TESTS))
    return tmp_path


CALLED = ("same", "odd", "language")


def run(booth: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of the package."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(booth), "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=booth, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_what_does_not_survive_as_a_message_fails_with_its_reason(booth: Path) -> None:
    assert run(booth).returncode == 0
    found = run(booth, "--splitcost-loopback", "pricing", "--splitcost-loopback-report", "report.json")
    failed = {line.split()[1] for line in found.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {f"test_booth.py::test_{name}" for name in ("is_same", "odd", "language")}, found.stdout
    assert "failed: 3; what splitcost saw in them: 1 × identity, 1 × exception, 1 × state" in found.stdout
    report = json.loads((booth / "report.json").read_text())
    seen = {
        failure["test"].partition("::test_")[2]: [
            (reason["reason"], reason["callee"], reason["line"]) for reason in failure["reasons"]
        ]
        for failure in report["failures"]
    }
    lines = textwrap.dedent(MAIN).splitlines()
    line = {name: next(i for i, text in enumerate(lines, 1) if f"pricing.{name}(" in text) for name in CALLED}
    assert seen == {
        "is_same": [("identity", "booth.pricing:same", line["same"])],
        "odd": [("exception", "booth.pricing:odd", line["odd"])],
        "language": [("state", "booth.pricing:language", line["language"])],
    }
    assert report["split"] == "pricing"
    assert report["calls"]["booth.pricing:price"] == {"calls": 4, "raised": 1}


def test_calls_that_crossed_and_calls_that_stayed_are_counted(booth: Path) -> None:
    found = run(booth, "--splitcost-loopback", "pricing")
    summary = found.stdout.partition("splitcost loopback ==")[2].splitlines()
    # Eighteen calls of the tests reach the other module; two are refused, one has no language, and a lock is no result.
    assert summary[1].startswith("18 calls of 12 functions crossed as messages; 5 raised"), found.stdout
    stayed = {line.split(" × ")[1].split(" stayed at ")[0]: line for line in summary if " stayed at " in line}
    assert stayed.keys() == {"booth.pricing:lock"}
    assert stayed["booth.pricing:lock"].startswith("  2 × "), "each call is tried"
    assert "booth/main.py:" in stayed["booth.pricing:lock"]
    (changed,) = (line for line in summary if "booth.pricing:fill crossed at " in line)
    assert "is changed in place by the callee" in changed


SHELF = """
    import threading

    class Shelf:
        def __init__(self):
            self.books = {"a": 1}

        def __contains__(self, title):
            return title in self.books

        def __getitem__(self, title):
            return self.books[title]

        def __len__(self):
            return len(self.books)

    class Desk:
        def __init__(self):
            self.lock = threading.Lock()

        def price(self):
            return 3

    shelf = Shelf()
"""

OF_SHELF = """
    from booth import pricing

    def found():
        return ["a" in pricing.shelf, pricing.shelf["a"], len(pricing.shelf), pricing.Desk().price()]
"""

TESTS_OF_SHELF = """
    from booth import main

    def test_found():
        assert main.found() == [True, 1, 1, 3]
"""


def test_methods_called_by_syntax_cross_and_those_of_nameless_objects_are_listed(booth: Path) -> None:
    for name, source in {"pricing": SHELF, "main": OF_SHELF, "../test_booth": TESTS_OF_SHELF}.items():
        (booth / "booth" / f"{name}.py").write_text(textwrap.dedent(source))
    found = run(booth, "--splitcost-loopback", "pricing")
    assert found.returncode == 0, found.stdout
    assert "3 calls of 3 functions crossed as messages" in found.stdout
    assert "1 × booth.pricing:Desk.price stayed at" in found.stdout


LOCKS = """
    import contextlib
    import threading

    def locks(count):
        for _ in range(count):
            yield threading.Lock()
        raise LookupError("no more")

    def numbers(count):
        yield from range(count)

    @contextlib.contextmanager
    def locked():
        lock = threading.Lock()
        with lock:
            yield lock
        CLOSED.append(lock)

    CLOSED = []
"""

OF_LOCKS = """
    from booth import pricing

    def taken(count):
        found = []
        try:
            for lock in pricing.locks(count):
                found.append(lock.acquire())
        except LookupError as error:
            found.append(error.args[0])
        return found

    def numbers(count):
        return list(pricing.numbers(count))

    def held():
        with pricing.locked() as lock:
            inside = lock.locked()
        return [inside, lock.locked(), len(pricing.CLOSED)]
"""

TESTS_OF_LOCKS = """
    from booth import main

    def test_items_that_cross():
        assert main.numbers(250) == list(range(250))

    def test_items_that_cannot_cross():
        assert main.taken(2) == [True, True, "no more"]
        assert main.taken(150) == [True] * 150 + ["no more"]

    def test_what_a_context_manager_gives_and_cannot_cross():
        assert main.held() == [True, False, 1]
"""


def test_iterators_and_context_managers_are_as_before(booth: Path) -> None:
    (booth / "booth" / "pricing.py").write_text(textwrap.dedent(LOCKS))
    (booth / "booth" / "main.py").write_text(textwrap.dedent(OF_LOCKS))
    (booth / "test_booth.py").write_text(textwrap.dedent(TESTS_OF_LOCKS))
    found = run(booth, "--splitcost-loopback", "pricing")
    assert found.returncode == 0, found.stdout
    assert "booth.pricing:locks stayed at " in found.stdout
    assert "booth.pricing:locked stayed at " in found.stdout


def test_tests_inside_the_package_are_of_no_service(booth: Path) -> None:
    (booth / "booth" / "tests.py").write_text((booth / "test_booth.py").read_text())
    found = run(booth, "--splitcost-loopback", "pricing", "booth/tests.py")
    assert "18 calls of 12 functions crossed" in found.stdout
    assert "test_of_the_module_itself" not in found.stdout


def test_a_split_that_is_not_there_is_a_usage_error(booth: Path) -> None:
    found = run(booth, "--splitcost-loopback", "prices")
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no split 'prices'" in found.stderr
    assert "(there are: pricing)" in found.stderr
    (booth / "splitcost.toml").unlink()
    found = run(booth, "--splitcost-loopback", "pricing")
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no splitcost.toml" in found.stderr


def test_functions_of_flask_have_the_app_and_the_request(booth: Path) -> None:
    pricing = """
        from flask import current_app, g, request

        def price(item):
            return item * current_app.config["RATE"]

        def method():
            return request.method + g.user

        def lock():
            return g.lock.locked()
    """
    main = """
        import threading
        from flask import Flask, g
        from booth import pricing

        app = Flask("booth")
        app.config["RATE"] = 3

        @app.get("/price")
        def price():
            return str(pricing.price(2))

        @app.get("/method")
        def method():
            g.user = " by ada"
            return pricing.method()

        @app.get("/lock")
        def lock():
            g.lock = threading.Lock()
            return str(pricing.lock())
    """
    tests = """
        from booth.main import app

        def test_price():
            assert app.test_client().get("/price").text == "6"

        def test_method():
            assert app.test_client().get("/method").text == "GET by ada"

        def test_lock():
            assert app.test_client().get("/lock").text == "False"
    """
    for path, source in {"booth/pricing": pricing, "booth/main": main, "test_booth": tests}.items():
        (booth / f"{path}.py").write_text(textwrap.dedent(source))
    assert run(booth).returncode == 0
    found = run(booth, "--splitcost-loopback", "pricing")
    assert "1 failed, 2 passed" in found.stdout
    assert "failed: 1; what splitcost saw in them: 1 × state" in found.stdout


def test_rows_that_cross_are_listed(booth: Path) -> None:
    kinds = """
        from sqlalchemy import ForeignKey, create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            lines: Mapped[list["Line"]] = relationship()

        class Line(Base):
            __tablename__ = "lines"
            id: Mapped[int] = mapped_column(primary_key=True)
            order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))

        engine = create_engine("sqlite:///kept")
        session = Session(engine)

        def fill():
            Base.metadata.create_all(engine)
            session.add(Order(id=1, lines=[Line(id=1)]))
            session.commit()
    """
    pricing = """
        from booth import kinds
        from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

        class Stock(kinds.Base):
            __tablename__ = "stock"
            id: Mapped[int] = mapped_column(primary_key=True)

            def is_of_session(self):
                return object_session(self) is kinds.session

        def order(number):
            with Session(kinds.engine) as session:
                return session.get(kinds.Order, number)
    """
    main = """
        from booth import kinds, pricing

        def lines(number):
            return pricing.order(number).id

        def stocked():
            stock = pricing.Stock(id=1)
            before = stock.is_of_session()
            kinds.session.add(stock)
            return [before, stock.is_of_session()]
    """
    tests = """
        from booth import kinds, main

        def test_lines():
            kinds.fill()
            assert main.lines(1) == 2

        def test_methods_of_rows_run_where_the_row_is():
            assert main.stocked() == [False, True]
    """
    sources = {"booth/kinds": kinds, "booth/pricing": pricing, "booth/main": main, "test_booth": tests}
    for path, source in sources.items():
        (booth / f"{path}.py").write_text(textwrap.dedent(source))
    found = run(booth, "--splitcost-loopback", "pricing")
    assert "row: booth.pricing:order crossed at " in found.stdout
    assert "result (booth.kinds:Order) arrives without its session" in found.stdout
    assert "1 failed, 1 passed" in found.stdout
    assert "is_of_session" not in found.stdout

"""Tests of an app with the calls of a split as messages, in one process: `pytest --splitcost-loopback`."""

from __future__ import annotations

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

    def same(value):
        return value

    def fill(values):
        values.append(1)

    def lock():
        return threading.Lock()

    async def later(item):
        return item + 1

    def pairs(items):
        yield from zip(items, items)
"""

MAIN = """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from booth import kinds, pricing

    def total(items):
        return sum(pricing.price(item) for item in items)

    def refused():
        try:
            pricing.price(-1)
        except kinds.Refused as error:
            return error.item

    def is_same(value):
        return pricing.same(value) is value

    def filled():
        values = []
        pricing.fill(values)
        return values

    def lock():
        return pricing.lock()

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


def run(booth: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of the package."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(booth), "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=booth, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_what_does_not_survive_as_a_message_fails_with_its_reason(booth: Path) -> None:
    assert run(booth).returncode == 0
    found = run(booth, "--splitcost-loopback", "pricing")
    failed = {line.split()[1] for line in found.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {"test_booth.py::test_is_same", "test_booth.py::test_lock"}, found.stdout
    assert "it relies on what does not cross: the identity of an object" in found.stdout
    assert "result cannot cross to another service in a call of booth.pricing:lock" in found.stdout


def test_calls_that_crossed_and_calls_that_stayed_are_counted(booth: Path) -> None:
    found = run(booth, "--splitcost-loopback", "pricing")
    summary = found.stdout.partition("splitcost loopback ==")[2].splitlines()
    # Nine calls of the tests reach the other module; a refusal, a change and a lock are no results.
    assert summary[1].startswith("9 calls of 6 functions crossed as messages; 3 raised"), found.stdout
    stayed = {line.split(" × ")[1].split(" stayed at ")[0]: line for line in summary if " stayed at " in line}
    assert stayed.keys() == {"booth.pricing:fill", "booth.pricing:lock", "booth.pricing:pairs"}
    assert "is changed in place by the callee" in stayed["booth.pricing:fill"]
    assert "booth/main.py:" in stayed["booth.pricing:lock"]


def test_a_split_that_is_not_there_is_a_usage_error(booth: Path) -> None:
    found = run(booth, "--splitcost-loopback", "prices")
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no split 'prices'" in found.stderr
    assert "(there are: pricing)" in found.stderr
    (booth / "splitcost.toml").unlink()
    found = run(booth, "--splitcost-loopback", "pricing")
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no splitcost.toml" in found.stderr

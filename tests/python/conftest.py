"""An option of every test here: `--shuffle` runs the tests in another order, so that a dependence on it shows."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

# What the tests of several parts share.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    text = "shuffle the modules, and the tests in each, by this number, or by a new one: `random`"
    parser.addoption("--shuffle", metavar="SEED", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Draws the seed, unless it was given. The processes of one run have the same."""
    if config.getoption("shuffle") == "random":
        drawn = str(random.SystemRandom().randrange(1_000_000))
        config.option.shuffle = getattr(config, "workerinput", {}).get("shuffle", drawn)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hands the seed to a process that runs a part of the tests."""
    node.workerinput["shuffle"] = node.config.getoption("shuffle")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Names the order, so that it can be repeated."""
    seed = config.getoption("shuffle")
    return [f"order: --shuffle={seed}"] if seed else []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffles the tests within each module, and the modules.

    Runs before pytest puts the users of an expensive fixture beside each other.
    """
    seed = config.getoption("shuffle")
    if not seed:
        return
    order = random.Random(seed)
    modules: dict[object, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    groups = list(modules.values())
    order.shuffle(groups)
    for group in groups:
        order.shuffle(group)
    items[:] = [item for group in groups for item in group]

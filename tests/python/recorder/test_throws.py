"""An exception that comes through an `await` enters the innermost call first, and whoever catches it runs on."""

from __future__ import annotations

import pytest

CATCHERS = [
    "missing",
    "missing_in_library",
    "timeout",
    "waited_for",
    "cancelled",
    "generator",
    "thrown",
    "closed",
    "managed",
]


@pytest.mark.parametrize("catcher", CATCHERS)
def test_a_call_after_a_caught_exception_has_its_caller(runs, catcher):
    log = runs.code(f"from shop import catches\nasyncio.run(catches.run({catcher!r}))")
    assert len(log.requests) == 1
    caller = log.one("shop.catches:run")
    after = [c for c in log.named("shop.pricing:quote") if c.parent == caller.id]
    assert [c.via for c in after] == ["inline"] * (1 + (catcher == "missing_in_library"))
    # The call runs while its caller does.
    segments = list(zip(caller.times[::2], caller.times[1::2], strict=True))
    for call in after:
        assert any(begin <= call.times[0] and call.times[-1] <= end for begin, end in segments)


@pytest.mark.parametrize("catcher", [*CATCHERS, "stubborn"])
def test_a_call_that_waits_again_is_suspended(runs, catcher):
    """Otherwise the calls of other tasks would be its own."""
    log = runs.code(
        "from shop import catches\n"
        "async def other():\n"
        "    for _ in range(16):\n"
        "        await asyncio.sleep(0)\n"
        "        await orders.one_later(1)\n"
        f"async def main(): await asyncio.gather(catches.run({catcher!r}), other())\n"
        "asyncio.run(main())"
    )
    others = log.named("shop.orders:one_later")
    assert [log.parent_name(c) for c in others] == [None] * 16
    caller = log.one("shop.catches:run")
    segments = list(zip(caller.times[::2], caller.times[1::2], strict=True))
    for call in others:
        assert not any(begin < call.times[0] < end for begin, end in segments)

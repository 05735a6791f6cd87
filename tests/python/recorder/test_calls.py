"""Every call begins and ends once, whatever happens in between, and is distinct from every other."""

from __future__ import annotations

import sys

import pytest

PROFILE = sys.version_info < (3, 12)


def _tree(log):
    (request,) = log.requests
    return log.tree(request)


def test_a_call_between_modules_is_recorded_and_a_call_inside_is_not(runs):
    log = runs.code("orders.deep(5)")
    assert _tree(log) == ["shop.orders:deep", "  shop.pricing:factorial"]
    assert log.requests[1]["endpoint"] == "shop.orders:deep"


def test_the_package_itself_is_a_module(runs):
    log = runs.code("import shop; shop.top(1)")
    assert _tree(log) == ["shop:top", "  shop.pricing:quote"]


def test_recursion_through_another_module(runs):
    log = runs.code("orders.odd(3)")
    assert _tree(log) == [
        "shop.orders:odd",
        "  shop.pricing:even",
        "    shop.orders:odd",
        "      shop.pricing:even",
    ]


def test_recursion_inside_a_module_pops_once(runs):
    log = runs.code("pricing.factorial(200); orders.total(1)")
    assert len(log.named("shop.pricing:factorial")) == 1
    assert len(log.requests) == 2


def test_nested_functions_and_comprehensions_belong_to_their_module(runs):
    log = runs.code("pricing.nested(3)")
    assert _tree(log) == ["shop.pricing:nested"]


def test_counts_are_exact_where_payloads_are_sampled(runs):
    log = runs.code("for i in range(1000): orders.total(1)")
    assert log.counts["shop.pricing:quote"] == 1000
    sampled = [c for c in log.named("shop.pricing:quote") if c.payloads]
    # After the first, every fourth until the 64th, every eighth until the 128th, and so on.
    assert len(sampled) == 32 + 7 + 3 * 8 + 8
    assert all(len(c.payloads) == 2 for c in sampled)


def test_exceptions_have_their_type(runs):
    log = runs.code("assert orders.try_refused(1) == 'refused'")
    expected = "Exception" if PROFILE else "shop.pricing.RefusedError"
    assert log.one("shop.pricing:refuse").exception == expected
    assert log.one("shop.orders:try_refused").exception == ""


@pytest.mark.parametrize(
    ("call", "callee", "parent", "via"),
    [
        ("one_later(1)", "later", "one_later", "inline"),
        ("inside(1)", "later_inside", "inside", "inline"),
        ("tasked(1)", "later", "tasked", "task"),
        ("tasked(1)", "quote", "tasked", "inline"),
        ("own_task(1)", "later", "one_later", "inline"),
        ("threaded(1)", "quote", "threaded", "thread"),
        ("executed(1)", "quote", "executed", "thread"),
    ],
)
def test_parents(runs, call, callee, parent, via):
    log = runs.code(f"asyncio.run(orders.{call})")
    call = log.one(f"shop.pricing:{callee}")
    assert (log.parent_name(call), call.via) == (f"shop.orders:{parent}", via)
    assert len(log.requests) == 1


def test_a_task_of_the_callers_own_module_is_a_call(runs):
    log = runs.code("asyncio.run(orders.own_task(1))")
    assert _tree(log) == ["shop.orders:own_task", "  shop.orders:one_later (task)", "    shop.pricing:later"]


def test_a_thread_pool_hands_the_call_on(runs):
    log = runs.code("orders.submitted(1)")
    call = log.one("shop.pricing:quote")
    assert (log.parent_name(call), call.via) == ("shop.orders:submitted", "thread")
    assert call.thread != log.one("shop.orders:submitted").thread


def test_gathered_calls_have_one_parent_and_overlap(runs):
    log = runs.code("asyncio.run(orders.gathered(3))")
    calls = log.named("shop.pricing:later")
    assert [(log.parent_name(c), c.via) for c in calls] == [("shop.orders:gathered", "task")] * 3
    assert calls[1].times[0] < calls[0].times[-1]
    assert all(c.events == ["enter", "suspend", "resume", "leave"] for c in calls)


def test_a_generator_is_suspended_between_its_values(runs):
    log = runs.code("assert orders.iterate(3, None) == [0, 1, 2]")
    call = log.one("shop.pricing:numbers")
    assert call.events == ["enter", *["suspend", "resume"] * 3, "leave"]
    assert call.payloads[True]["class"] == "generator"


def test_a_closed_generator_ends(runs):
    (log,) = runs.run("-c", "from shop import orders\nfor i in range(50): orders.iterate(9, 1)\n")
    calls = log.named("shop.pricing:numbers")
    assert len(calls) == 50
    # CPython 3.13 closes one that waits outside every `try` without an event: it ends when its
    # place is taken.
    ended = sum(c.events[-1] == "leave" for c in calls)
    assert ended >= 49 if not PROFILE else ended == 50
    assert all(c.events[-1] == "leave" for c in log.named("shop.orders:iterate"))


def test_an_asynchronous_generator(runs):
    log = runs.code("assert asyncio.run(orders.iterate_later(3)) == [0, 1, 2]")
    # Suspended both where it awaits and where it gives out a value.
    assert log.one("shop.pricing:numbers_later").events == ["enter", *["suspend", "resume"] * 6, "leave"]


@pytest.mark.parametrize("call", ["cancelled()", "cancelled_inline()"])
def test_a_cancelled_call_ends_with_the_cancellation(runs, call):
    log = runs.code(f"asyncio.run(orders.{call})")
    expected = "Exception" if PROFILE else "asyncio.exceptions.CancelledError"
    assert log.one("shop.pricing:forever").exception == expected


def test_a_call_may_survive_what_is_thrown_into_it(runs):
    log = runs.code("assert asyncio.run(orders.survived()) == 'survived'")
    call = log.one("shop.pricing:stubborn")
    assert (call.events.count("suspend"), call.exception) == (2, "")


def test_a_failure_in_a_gather(runs):
    log = runs.code("asyncio.run(orders.failed())")
    expected = "Exception" if PROFILE else "shop.pricing.RefusedError"
    assert log.one("shop.pricing:refuse_later").exception == expected
    assert log.one("shop.pricing:later").exception == ""


def test_a_coroutine_thrown_into_and_closed_by_hand(runs):
    log = runs.code(
        "import gc\n"
        "c = pricing.stubborn()\n"
        "async def start(): asyncio.get_running_loop(); c.send(None)\n"
        "asyncio.run(start())\n"
        "try: c.throw(ValueError('x'))\n"
        "except ValueError: pass\n"
    )
    assert log.one("shop.pricing:stubborn").exception == ("Exception" if PROFILE else "ValueError")


def test_sync_code_that_awaits_by_greenlet(runs):
    """SQLAlchemy's asyncio runs plain functions in a greenlet that a coroutine waits for."""
    log = runs.code("asyncio.run(orders.spawned(2))")
    spawned = ["  shop.pricing:waits", "    shop.orders:total", "      shop.pricing:quote"]
    assert _tree(log) == ["shop.orders:spawned", *spawned, *spawned]
    assert all("suspend" in c.events for c in log.named("shop.pricing:waits"))


def test_cpu_time_is_that_of_the_call(runs):
    log = runs.code(
        "import time\n"
        "def burn():\n"
        "    end = time.thread_time_ns() + 50_000_000\n"
        "    while time.thread_time_ns() < end: pass\n"
        "pricing.with_callback(lambda _: burn())\n"
        "async def idle(): await asyncio.gather(pricing.later(1), asyncio.sleep(0.05))\n"
        "asyncio.run(idle())\n"
    )
    cpu = {c.name: sum(end - begin for begin, end in c.cpus) for c in log.calls.values()}
    assert 50_000_000 <= cpu["shop.pricing:with_callback"]
    assert cpu["shop.pricing:later"] < 25_000_000


def test_modules_may_be_named(runs):
    """Without a package only what is named is under recording."""
    log = runs.code("orders.total(2)", SPLITCOST_PACKAGES="", SPLITCOST_MODULES="shop.pricing")
    assert [r["endpoint"] for r in log.requests.values()] == ["shop.pricing:quote"] * 2

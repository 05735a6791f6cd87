"""Calls between real services: results, exceptions, where things run, and what is counted."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from bazaar.types import Color, Line, Point, Product
from rehearsal_support import Split, by_uvicorn
from splitcost import codec
from splitcost.rehearsal.context import SPEAKER

VALUES: list[Any] = [
    None,
    {"plain": [1, 2.5, "x", None, True]},
    (1, (2,)),
    {1, 2},
    b"\x00\xff",
    10**30,
    Decimal("1.10"),
    datetime(2026, 11, 24, 8, 30),
    Color.RED,
    Point(1, 2),
    Line(1, Decimal("2.5"), ["x"]),
    [Product(id=1, name="x", color=Color.BLUE)],
    {(1, 2): "pair"},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(("function", "how"), [("echo", "loop"), ("echo", "thread"), ("echo_async", "loop")])
def test_values_come_back_as_themselves(split: Split, value: Any, function: str, how: str) -> None:
    back = split.run(f"pricing:{function}", value, how=how)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("how", ["loop", "thread", "executor", "anyio"])
def test_a_plain_function_runs_in_a_thread_of_its_service(split: Split, how: str) -> None:
    there = split.run("pricing:where", how=how)
    assert there["pid"] == split.pid("pricing")
    assert there["thread"].startswith("splitcost-call")


@pytest.mark.parametrize("how", ["loop", "task", "gather"])
def test_a_coroutine_runs_on_the_loop_of_its_service(split: Split, how: str) -> None:
    there = split.run("pricing:where_async", how=how)
    for one in there if how == "gather" else [there]:
        assert one == {"pid": split.pid("pricing"), "thread": "MainThread"}


def test_a_service_calls_its_own_functions_directly(split: Split) -> None:
    assert split.run("pricing:outer_pids", service="pricing") == [split.pid("pricing")] * 2
    assert split.run("pricing:outer_pids") == [split.pid("pricing")] * 2
    assert split.run("sum_lines") == Decimal("2.60")


def test_files_of_one_module_see_each_other(split: Split) -> None:
    assert split.run("orders:helper_pids") == [split.pid("main")] * 5
    # In another process as well, where all five are stubs to strangers: code of main that runs there is at
    # home there.
    assert split.run("orders:helper_pids", service="pricing") == [split.pid("pricing")] * 5


def test_a_class_is_local_and_so_are_its_modules_functions(split: Split) -> None:
    found = split.run("facts", service="pricing")
    # `facts` itself is code of main, run here by the framework: all of main's functions are its own.
    here = split.pid("pricing")
    assert found["basket"] == [here] * 3
    assert found["package_helper"] == here


def test_a_foreign_module_looks_like_itself(split: Split) -> None:
    found = split.run("facts")
    assert found["currency"] == "EUR"
    assert found["signature"]
    assert found["name"] == "bazaar.pricing"
    assert found["in_dir"]
    assert found["cached"] == split.pid("pricing")
    assert split.run("patched") == [0, split.pid("pricing")]


def test_functions_without_a_name_of_their_own_cross_as_well(split: Split) -> None:
    assert split.run("pricing:wrapped_pid") == split.pid("pricing")
    assert split.run("pricing:made_pid") == split.pid("pricing")


def test_each_process_does_its_own_start_up(split: Split) -> None:
    for service in ("main", "pricing", "inventory"):
        health = split.get("/health", service)
        assert health["started"]["pricing"] == health["pid"] == split.pid(service)


def test_a_dependency_of_another_service_crosses(split: Split) -> None:
    found = split.get("/stub-dependency")
    assert found == {"pid": split.pid("main"), "dependency": split.pid("pricing")}


@pytest.mark.parametrize("function", ["fail", "fail_async"])
@pytest.mark.parametrize(
    ("kind", "type_name", "text", "attributes"),
    [
        ("stock", "OutOfStock", "product 7: 2 left", {"product_id": 7, "left": 2}),
        ("key", "KeyError", "'coupon'", {}),
        ("os", "FileNotFoundError", "[Errno 2] No such file: 'x.txt'", {}),
        ("other", "ValueError", "other", {}),
        ("lock", "RemoteError", "bazaar.types:HoldsLock: holds a lock", {}),
    ],
)
def test_exceptions_come_back_as_themselves(
    split: Split, function: str, kind: str, type_name: str, text: str, attributes: dict[str, Any]
) -> None:
    error = split.error(f"pricing:{function}", kind)
    assert (error["type"], error["text"]) == (type_name, text)
    assert attributes.items() <= error["attributes"].items()
    (note,) = error["notes"]
    assert "raised in service pricing" in note
    assert "pricing.py" in note
    assert "in fail" in note


def test_an_exception_that_cannot_be_rebuilt_keeps_its_name_and_message(split: Split) -> None:
    error = split.error("pricing:fail", "validation")
    assert error["type"] == "RemoteError"
    assert "ValidationError" in error["text"]
    assert "not a number" in error["text"]


def test_wrong_arguments_are_the_functions_own_error(split: Split) -> None:
    error = split.error("pricing:rate", 1, 2)
    assert error["type"] == "TypeError"
    assert "rate() takes 0 positional arguments" in error["text"]


def test_call_back_into_a_service_that_waits_in_a_thread(split: Split) -> None:
    assert split.run("pricing:call_back", how="thread") == split.pid("main")


def test_call_back_into_a_service_that_awaits(split: Split) -> None:
    assert split.run("pricing:call_back_async") == split.pid("main")


def test_call_back_into_a_blocked_loop_is_refused_by_name(split: Split) -> None:
    error = split.error("pricing:call_back", how="loop")
    assert error["type"] == "ReentrantCall"
    assert "bazaar.orders:plain_pid cannot be called back" in error["text"]
    assert "main! → pricing → main" in error["text"]


def test_methods_of_an_object_with_a_name_run_in_its_service(split: Split) -> None:
    here, there = split.pid("main"), split.pid("pricing")
    found = split.run("methods")
    assert found == {
        "plain": [there, "1.5"],
        "awaited": there,
        "twice": [there] * 3,
        "kept": here,
        "property": there,
        "static": [there, 3],
        "class": [there, "Register!"],
        "subclass": [there, "Till?"],
        "call": [there, 3],
        "pool": [there, "1.5"],
        "changed": [there],
        "failed": found["failed"],
        "nameless": [here, "2"],
        "field": "1.5",
    }
    assert found["failed"]["product_id"] == 7
    calls = {call["callee"]: call for call in split.report()["calls"]}
    assert calls["bazaar.pricing:Register.where"]["caller"] == "bazaar.main"
    # A lock among its fields cannot go along.
    (nameless,) = [e for e in split.report()["events"] if e["callee"] == "bazaar.pricing:Register.where"]
    assert (nameless["path"], nameless["obstacle"]) == ("arguments.self.lock", "is a live resource")


def test_functions_cross_whoever_holds_them(split: Split) -> None:
    there = split.pid("pricing")
    assert split.run("called_where_held") == {
        "table": ["first", 1, there],
        "awaited": ["second", 2, there],
        "task": ["second", 3, there],
        "registry": ["registered", 4, there],
        "decorator": ["injected", "kg", 5, there],
        "partial": ["quote", "pc", 6, there],
        "dispatch": [["int", 7, there], ["str", "seven", there], ["render", "7.5", there]],
        "implementation": [["int", 8, there], ["str", "8", there]],
        "generator": [[[0, there], [1, there]]],
        "bound": ["weigh", 9, there],
        "cached": ["largest", "counter", there],
        "partial method": ["weigh", 0.5, there],
        "dispatch method": [["show int", 10, there], ["show", "ten", there]],
        "at home": ["first", "weigh", "pc", there],
    }
    calls = {call["callee"]: call["count"] for call in split.report()["calls"]}
    # One crossing each: what runs over there calls its own functions directly.
    assert (calls["bazaar.held:quote"], calls["bazaar.held:first"], calls["bazaar.held:at_home"]) == (1, 1, 1)
    assert (calls["bazaar.held:_"], calls["bazaar.held:render"]) == (4, 1)


def test_an_app_that_is_a_function_is_served_by_every_service(fresh_split: Split) -> None:
    fresh_split.command, fresh_split.ready = by_uvicorn("bazaar.pricing:asgi"), "/"
    fresh_split.start("main", "pricing")
    for service in ("main", "pricing"):
        assert fresh_split.get("/", service) == fresh_split.pid(service)


def test_calls_and_blocking_calls_are_counted(fresh_split: Split) -> None:
    fresh_split.start("main", "pricing")
    for how in ("loop", "loop", "thread", "executor", "anyio"):
        fresh_split.run("pricing:where", how=how)
    fresh_split.error("pricing:fail", "stock")
    fresh_split.run("pricing:where_async")
    calls = {call["callee"]: call for call in fresh_split.report()["calls"]}
    where = calls["bazaar.pricing:where"]
    assert (where["caller"], where["count"], where["blocking"], where["errors"]) == ("bazaar.main", 5, 2, 0)
    assert where["bytes"] > 0
    assert (calls["bazaar.pricing:fail"]["count"], calls["bazaar.pricing:fail"]["errors"]) == (1, 1)
    assert calls["bazaar.pricing:where_async"]["blocking"] == 0
    # Conservation: each answer that one side got the other side gave.
    answers = {given["callee"]: given["count"] for given in fresh_split.report("pricing")["answered"]}
    assert answers == {callee: call["answered"] for callee, call in calls.items()}


def test_a_call_to_a_dead_service_fails_at_once(fresh_split: Split) -> None:
    fresh_split.start("main", "pricing")
    assert fresh_split.run("pricing:where")["pid"] == fresh_split.pid("pricing")
    fresh_split.processes["pricing"].kill()
    fresh_split.processes["pricing"].wait()
    for function, how in (("where", "thread"), ("where", "loop"), ("where_async", "loop")):
        error = fresh_split.error(f"pricing:{function}", how=how)
        assert error["type"] == "ServiceUnavailable", error
        assert "service pricing is not available" in error["text"]


def test_a_service_that_dies_during_a_call(fresh_split: Split) -> None:
    from concurrent.futures import ThreadPoolExecutor

    fresh_split.start("main", "pricing")
    fresh_split.run("pricing:where_async")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fresh_split.error, "pricing:hang")
        fresh_split.run("pricing:where_async")
        fresh_split.processes["pricing"].kill()
        fresh_split.processes["pricing"].wait()
        assert waiting.result(20)["type"] == "ServiceUnavailable"


def test_each_call_has_a_deadline(tmp_path: Any) -> None:
    for stack in ("httpx", "grpc"):
        (tmp_path / stack).mkdir()
        services = Split(stack, tmp_path / stack, policy={"timeout_millis": 300})
        try:
            services.start("main", "pricing")
            error = services.error("pricing:hang")
            assert error["type"] == "DeadlineExceeded"
            assert "bazaar.pricing:hang in service pricing did not answer" in error["text"]
        finally:
            services.stop()


def test_a_wrong_token_is_refused(fresh_split: Split) -> None:
    fresh_split.start("pricing")
    fresh_split.document["token"] = "guessed"
    fresh_split.description.write_text(__import__("json").dumps(fresh_split.document))
    fresh_split.start("main")
    for function in ("where", "where_async"):
        error = fresh_split.error(f"pricing:{function}")
        assert error["type"] == "ServiceRefused"
        assert "token" in error["text"]


def _post(split: Split, line: str, body: bytes) -> tuple[int, bytes]:
    address = f"127.0.0.1:{split.document['services']['pricing']['rpc_port']}"
    url = f"http://{address}/__splitcost__/call"
    request = urllib.request.Request(url, data=body, headers={"x-splitcost-call": line})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _grpc(split: Split, line: str, body: bytes) -> tuple[int, bytes]:
    from splitcost.stacks import load

    address = f"127.0.0.1:{split.document['services']['pricing']['rpc_port']}"
    answer = load("grpc").call(address, line, body, 10)
    return int(answer.status), answer.body


@pytest.mark.parametrize(
    ("function", "body", "status", "text"),
    [
        ("bazaar.orders.service:plain_pid", b"p[[],{}]", 404, "does not live in service pricing"),
        ("os:system", b'p[["true"],{}]', 404, "does not live in service pricing"),
        ("bazaar.pricing:nothing", b"p[[],{}]", 404, "has no function nothing"),
        ("bazaar.pricing:os", b"p[[],{}]", 404, "has no function os"),
        ("bazaar.pricing:Line", b"p[[],{}]", 404, "has no function Line"),
        ("bazaar.pricing:os.system", b"p[[],{}]", 404, "has no function os.system"),
        ("bazaar.pricing:contextmanager", b"p[[],{}]", 404, "is not defined in"),
        ("bazaar.pricing.nothing:f", b"p[[],{}]", 404, "no module"),
        ("bazaar.pricing:echo", b"\x80\x04N.", 400, "malformed"),
        ("bazaar.pricing:echo", b"p{}", 400, ""),
        ("bazaar.pricing:echo", b"", 400, "malformed"),
        ("bazaar.pricing:echo", b"p[[1],{}]", 200, "rp1"),
    ],
)
def test_only_owned_functions_are_served(
    split: Split, function: str, body: bytes, status: int, text: str
) -> None:
    ask = _post if split.document["stack"] == "httpx" else _grpc
    rest = f"{split.document['token']} {function} main 1000000 r main"
    found, answer = ask(split, f"{SPEAKER} {rest}", body)
    assert found == status, answer
    assert text in answer.decode()
    assert ask(split, f"{SPEAKER} x{rest}", body) == (401, b"the token is not this run's")
    for garbage in (rest, f"{SPEAKER} {rest} more", "garbage", ""):
        assert ask(split, garbage, body) == (400, b"the metadata of the call is malformed")


def test_a_pickle_is_not_loaded(split: Split) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("never",))

    ask = _post if split.document["stack"] == "httpx" else _grpc
    line = f"{SPEAKER} {split.document['token']} bazaar.pricing:echo main 1000000 r main"
    assert ask(split, line, pickle.dumps(Evil()))[0] == 400
    assert "never" not in split.log("pricing")


def test_the_runtime_never_unpickles_or_evaluates() -> None:
    from pathlib import Path

    for file in Path(codec.__file__).parents[1].rglob("*.py"):
        source = file.read_text()
        for word in ("import pickle", "marshal", "eval(", "exec("):
            assert word not in source, f"{word} in {file}"

"""Payloads: their shape, size and class; never their values."""

from __future__ import annotations

import json

import pytest
from recorder_support import environment
from splitcost import codec
from test_statements import module

SECRET = "hunter2-s3cr3t"


def _payloads(log, name="shop.pricing:echo"):
    call = log.one(name)
    return call.payloads[False], call.payloads[True]


PRELUDE = """
import datetime, decimal, enum, uuid, collections, pydantic, pathlib
from shop.pricing import Line
"""


@pytest.mark.parametrize(
    ("value", "skeleton", "class_"),
    [
        ("None", '"none"', "plain"),
        ("True", '"bool"', "plain"),
        ("-12345", '"int"', "plain"),
        ("10**30", '"int"', "adapter"),
        ("1.5", '"float"', "plain"),
        ("float('nan')", '"float"', "adapter"),
        ("'grün'", '"str"', "plain"),
        ("[]", '{"list":null}', "plain"),
        ("[1, 2, 3]", '{"list":"int"}', "plain"),
        ("[1, 'a', None, 2]", '{"list":{"any":["int","str","none"]}}', "plain"),
        (
            "[{'n': 1}, {'n': None, 'amount': 'x'}]",
            '{"list":{"dict":{"n":{"any":["int","none"]},"amount":"str"}}}',
            "plain",
        ),
        ("{'n': 1, 'amount': [1.25]}", '{"dict":{"n":"int","amount":{"list":"float"}}}', "plain"),
        ("{1: 'a', 2: 'b'}", '{"dict":{"*":"str"}}', "adapter"),
        ("(1, 'a')", '{"tuple":["int","str"]}', "adapter"),
        ("{1, 2}", '{"set":"int"}', "adapter"),
        ("b'abcd'", '"bytes"', "adapter"),
        ("decimal.Decimal('12.50')", '"decimal"', "adapter"),
        ("datetime.datetime(2026, 11, 24, 1, 2, 3, 4)", '"datetime"', "adapter"),
        ("datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)", '"datetime"', "adapter"),
        ("datetime.date(2026, 11, 24)", '"date"', "adapter"),
        ("datetime.timedelta(1, 2, 3)", '"timedelta"', "adapter"),
        ("uuid.UUID(int=7)", '"uuid"', "adapter"),
        ("pathlib.PurePosixPath('/a/b')", '"path"', "adapter"),
        (
            "Line('a', 2, ['x'])",
            '{"dataclass":"shop.pricing:Line","fields":{"sku":"str","amount":"int","tags":{"list":"str"}}}',
            "adapter",
        ),
        (
            "[Line('a'), Line('b', tags=['x'])]",
            '{"list":{"dataclass":"shop.pricing:Line","fields":{"sku":"str","amount":"int","tags":{"list":"str"}}}}',
            "adapter",
        ),
        ("pricing.RefusedError('no')", '{"exception":"shop.pricing:RefusedError","args":["str"]}', "adapter"),
        ("len", '{"callback":"builtins:builtin_function_or_method"}', "callback"),
        ("iter([1])", '{"generator":"builtins:list_iterator"}', "generator"),
        ("pricing.Session()", '{"reference":"shop.pricing:Session"}', "reference"),
        (
            "collections.defaultdict(list)",
            '{"object":"collections:defaultdict","fields":{"*":{"dict":{}}}}',
            "adapter",
        ),
    ],
)
def test_shapes_sizes_and_classes(runs, value, skeleton, class_):
    log = runs.code(PRELUDE + f"pricing.echo({value})")
    arguments, result = _payloads(log)
    assert result["skeleton"] == skeleton
    assert arguments["skeleton"] == f'{{"arguments":{{"value":{skeleton}}}}}'
    assert (arguments["class"], result["class"]) == (class_, class_)
    if class_ in ("plain", "adapter"):
        space = {}
        exec(PRELUDE.replace("from shop.pricing import Line", ""), space)
        # The name of a factory has the length of the type's, for the recorder.
        if not any(part in value for part in ("Line", "pricing.", "defaultdict")):
            encoded = len(codec.encode(eval(value, space)))
            assert result["encoded_bytes"] == encoded


def test_a_big_result_is_sized_as_it_is_encoded(runs):
    value = "[{'n': i, 'amount': i / 4, 'sku': 'x' * (i % 30)} for i in range(300)]"
    _, result = _payloads(runs.code(f"pricing.echo({value})"))
    assert result["encoded_bytes"] == len(codec.encode(eval(value)))
    assert result["nodes"] == 1 + 300 * 4


def test_what_is_beyond_the_budget_is_extrapolated(runs):
    _, result = _payloads(runs.code("pricing.echo(list(range(100_000, 400_000)))"))
    assert abs(result["nodes"] / 300_001 - 1) < 0.01
    assert abs(result["encoded_bytes"] / 2_100_001 - 1) < 0.01


def test_models_rows_enums_and_named_tuples(runs, tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "pricing.py").write_text("def echo(value): return value\n")
    (package / "orders.py").write_text(
        "import enum, typing, decimal, pydantic\n"
        "from sqlmodel import Field, Session, SQLModel, create_engine\n"
        "class Color(enum.Enum):\n    RED = 'r'\n"
        "class Point(typing.NamedTuple):\n    x: int\n    y: int\n"
        "class Price(pydantic.BaseModel):\n    amount: decimal.Decimal\n    color: Color\n"
        "class Row(SQLModel, table=True):\n"
        "    id: int | None = Field(default=None, primary_key=True)\n    name: str\n"
    )
    log = runs.code(
        "o = orders\n"
        "pricing.echo([o.Color.RED, o.Point(1, 2), o.Price(amount='1.5', color='r'), o.Row(id=1, name='x')])",
        PYTHONPATH=f"{tmp_path}:{environment(tmp_path)['PYTHONPATH']}",
    )
    _, result = _payloads(log)
    price = {
        "model": "shop.orders:Price",
        "fields": {"amount": "decimal", "color": {"enum": "shop.orders:Color"}},
    }
    assert json.loads(result["skeleton"]) == {
        "list": {
            "any": [
                {"enum": "shop.orders:Color"},
                {"namedtuple": "shop.orders:Point", "fields": {"x": "int", "y": "int"}},
                price,
                {"model": "shop.orders:Row", "fields": {"id": "int", "name": "str"}},
            ]
        }
    }
    assert result["class"] == "adapter"


@pytest.mark.parametrize(
    ("call", "class_", "path"),
    [
        (
            "pricing.with_session(pricing.Session(), 1)",
            "reference",
            "arguments.session (shop.pricing.Session)",
        ),
        ("pricing.with_callback(lambda n: n)", "callback", "arguments.callback (function)"),
        ("pricing.add_tag(pricing.Line('a'))", "mutated", "arguments.line (shop.pricing.Line)"),
        ("pricing.fill([1], {})", "mutated", "arguments.options (dict)"),
        (
            "pricing.fill([1, [2, pricing.Session()]], {})",
            "reference",
            "arguments.lines[1][1] (shop.pricing.Session)",
        ),
        (
            "pricing.echo_two(1, 2, key={'n': len}, n=3)",
            "callback",
            "arguments.key.n (builtin_function_or_method)",
        ),
        (
            "pricing.echo({'no name of ours': len})",
            "callback",
            "arguments.value[*] (builtin_function_or_method)",
        ),
    ],
)
def test_what_cannot_cross_is_named_with_its_place(runs, call, class_, path):
    log = runs.code(call)
    called = "shop.pricing:" + call.partition("(")[0].removeprefix("pricing.")
    payload = log.one(called).payloads[False]
    assert (payload["class"], payload["path"]) == (class_, path)


@pytest.mark.parametrize(
    ("call", "class_"),
    [("add_tag_later", "mutated"), ("replace_later", "adapter"), ("hold", "adapter")],
)
def test_a_change_after_a_suspension_is_seen(runs, call, class_):
    """The recorder does not hold the arguments meanwhile: it finds them by their names."""
    log = runs.code(f"asyncio.run(pricing.{call}(pricing.Line('a')))")
    payload = log.one(f"shop.pricing:{call}").payloads[False]
    assert payload["class"] == class_


def test_the_call_site_is_the_line_that_called(runs):
    log = runs.code("orders.total(1)")
    payload = log.one("shop.pricing:quote").payloads[False]
    assert payload["file"].endswith("shop/orders.py")
    line = open(payload["file"]).read().splitlines()[payload["line"] - 1]
    assert "pricing.quote(i)" in line


def test_cyclic_and_deep_data_end(runs):
    log = runs.code("a = []; a.append(a); pricing.echo(a)")
    assert _payloads(log)[0]["class"] == "live"
    log.path.unlink()
    log = runs.code("a = None\nfor _ in range(5000): a = [a]\npricing.echo(a)")
    assert _payloads(log)[0]["nodes"] < 100


def test_no_value_is_written(runs):
    log = runs.code(
        f"s = {SECRET!r}[::-1][::-1] + str(1)\n"
        "class Odd:\n    def __init__(self): self.name = s\n    def __repr__(self): return s\n"
        "d = {s: s, 'n': s, ''.join(['al', 'ice']): s}\n"
        "for v in (s, d, [s], (s,), {s}, Odd(), s.encode(), pricing.Line(s),\n"
        "          pricing.RefusedError(s), lambda: s):\n"
        "    pricing.echo(v)\n"
        "    try: pricing.refuse(v)\n    except pricing.RefusedError: pass\n"
        "pricing.echo_two(s, s, key=s, **{'dyn' + 'amic': s})\n"
    )
    raw = log.path.read_bytes()
    assert SECRET.encode() not in raw
    assert b"alice" not in raw, "a key that the app's source does not spell is data"
    assert b"dynamic" not in raw


def test_no_code_of_the_app_runs_in_a_walk(runs):
    runs.code(
        "ran = []\n"
        "class Odd:\n"
        "    def __getattr__(self, name): ran.append(name); raise AttributeError(name)\n"
        "    def __repr__(self): ran.append('repr')\n"
        "    def __hash__(self): ran.append('hash'); return 1\n"
        "    def __eq__(self, other): ran.append('eq'); return True\n"
        "    def __iter__(self): ran.append('iter'); return iter(())\n"
        "    def __len__(self): ran.append('len'); return 1\n"
        "    @property\n"
        "    def value(self): ran.append('property')\n"
        "o = Odd()\n"
        "pricing.echo([o, {'n': o}, (o,)])\n"
        "assert ran == [], ran\n"
    )


@pytest.mark.parametrize(
    ("code", "name", "sent"),
    [
        ("d.plain(1)", "plain", ["n"]),
        ("d.plain(1, len)", "plain", ["n"]),
        ("d.plain(1, max)", "plain", ["n", "key"]),
        ("d.plain(1, key=max, hook=min)", "plain", ["n", "key", "hook"]),
        ("d.plain(1, len, 2)", "plain", ["n", "rest"]),
        ("d.plain(1, more=2)", "plain", ["n", "more"]),
        ("d.cached(1)", "cached", ["n"]),
        ("d.decorated(1)", "decorated", ["n"]),
        ("asyncio.run(d.later(1))", "later", ["n"]),
        ("list(d.values(1))", "values", ["n"]),
        ("d.grown(1)", "grown", ["n"]),
        ("d.Service().method(1)", "Service.method", ["n"]),
        ("d.Service().method(1, max)", "Service.method", ["n", "key"]),
        ("d.Service.static(1)", "Service.static", ["n"]),
        ("d.Service.of_class(1)", "Service.of_class", ["n"]),
    ],
)
def test_an_argument_that_the_caller_left_out_is_not_sent(runs, code, name, sent):
    payload = (
        runs.code(f"from shop import defaults as d\n{code}").one(f"shop.defaults:{name}").payloads[False]
    )
    assert list(json.loads(payload["skeleton"])["arguments"]) == sent
    assert (payload["class"] == "callback") == ("key" in sent)


LARGE = """
from other import count

def work():
    value = [{"id": number, "name": str(number)} for number in range(20_000)]
    for _ in range(3):
        count(value)
"""


def test_looks_at_values_are_part_of_no_time(runs):
    """The time in which the recorder looks at arguments is neither waiting nor work of the request."""
    module(runs, "other.py", "def count(values):\n    return len(values)\n")
    directory = module(runs, "large.py", LARGE)
    program = (
        f"import sys, time\nsys.path.insert(0, {directory!r})\nimport large\n"
        "before = time.monotonic_ns()\nlarge.work()\nprint(time.monotonic_ns() - before)"
    )
    (log,) = runs.run("-c", program, SPLITCOST_PACKAGES="large,other")
    log.check()
    took = int(runs.stdout)
    stamps = [record["wall"] for record in log.records if record["record"] in ("enter", "leave")]
    (start,) = (record for record in log.records if record["record"] == "request_start")
    (end,) = (record for record in log.records if record["record"] == "request_end")
    left_out = end["left_out"] - start["left_out"]
    assert stamps == sorted(stamps)
    assert left_out > 0
    assert end["wall"] - start["wall"] + left_out <= took

"""The classes of values, and the kinds of what methods are called on."""

from __future__ import annotations

import functools
import itertools
import sys
from typing import Any

import pytest
from recorder_support import APPS, Runs
from splitcost import codec

PRELUDE = "from kinds import back, values as v\n"
ROWS = "from kinds import rows as r\n"
TAKE = "kinds.back:take"


#: Chosen: below the 32 calls of a function from one place that are all sampled.
AT_ONCE = 30


def run(runs, code, prelude=""):
    (log,) = runs.run("-c", PRELUDE + prelude + code, SPLITCOST_PACKAGES="kinds")
    log.check()
    return log


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Runs the code of many cases in few processes, once; gives the payloads of a function's calls by the code.

    Of a piece of code the last call of its function counts.
    """

    def together(cases: tuple[tuple[str, str], ...], prelude: str = "") -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for first in range(0, len(cases), AT_ONCE):
            some = cases[first : first + AT_ONCE]
            # A mark around each, which separates the calls of the cases.
            code = "".join(f"back.mark()\n{code}\n" for code, _ in some)
            log = run(Runs(tmp_path_factory.mktemp("kinds")), code, prelude)
            marks = [call.id for call in log.named("kinds.back:mark")] + [sys.maxsize]
            for (code, name), (begin, end) in zip(some, itertools.pairwise(marks), strict=True):
                calls = [call for call in log.named(name) if begin < call.id < end]
                found[code] = calls[-1].payloads[False]
        return found

    return functools.cache(together)


def taken(values: list[tuple[str, str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the cases in which each value is passed on."""
    return tuple((f"back.take({value})", TAKE) for value, *_ in values)


def check_value(payload, class_, path):
    """Check the class, and the path without its root, of a value that was passed on."""
    assert payload["class"] == class_
    assert payload["path"].removeprefix("arguments.value").strip() == path
    if class_ not in ("plain", "adapter"):
        assert payload["obstacles"][0] == (class_, payload["path"])


VALUES = [
    # The first of its class: after some objects of a class, the recorder looks at module level no more.
    ("v.plain", "named", "(kinds.values.Plain)"),
    ("__import__('collections').Counter[str]('ab')", "adapter", "(collections.Counter)"),
    ("v.plain.total", "named", "(method)"),
    ("v.Plain().total", "callback", "(method)"),
    ("v.Color.RED", "adapter", "(kinds.values.Color)"),
    ("v.Point(1, 2)", "adapter", "(kinds.values.Point)"),
    ("v.Line('a')", "adapter", "(kinds.values.Line)"),
    ("v.line", "adapter", "(kinds.values.Line)"),
    ("v.Slotted('a')", "adapter", "(kinds.values.Slotted)"),
    ("v.Model(amount=1)", "adapter", "(kinds.values.Model)"),
    ("v.Error('a')", "adapter", "(kinds.values.Error)"),
    ("v.Plain()", "adapter", "(kinds.values.Plain)"),
    ("v.Child()", "adapter", "(kinds.values.Child)"),
    ("v.Slots()", "adapter", "(kinds.values.Slots)"),
    ("v.Empty()", "adapter", "(kinds.values.Empty)"),
    ("v.Holder()", "adapter", "(kinds.values.Holder)"),
    ("[v.Plain(), v.Plain()]", "adapter", "[0] (kinds.values.Plain)"),
    ("v.local()[0]()", "value", "(kinds.values.local.<locals>.Local)"),
    ("v.local()[1]()", "value", "(kinds.values.local.<locals>.LocalLine)"),
    ("v.Plain", "adapter", "(kinds.values.Plain)"),
    ("int", "adapter", "(int)"),
    ("v.local()[0]", "callback", "(kinds.values.local.<locals>.Local)"),
    ("v.service", "named", "(kinds.values.Service)"),
    ("v.Service()", "carried", "(kinds.values.Service)"),
    ("v.Outer()", "service", "(kinds.values.Outer)"),
    ("v.Command(v.service)", "carried", "(kinds.values.Command)"),
    ("v.Job(len)", "callback", ".done (builtin_function_or_method)"),
    ("v.Job(v.logger)", "carried", "(kinds.values.Job)"),
    ("v.Subscriber()", "reference", "(kinds.values.Subscriber)"),
    ("v.Locked()", "reference", "(kinds.values.Locked)"),
    ("v.Node()", "reference", "(kinds.values.Node)"),
    ("v.Numbers()", "generator", "(kinds.values.Numbers)"),
    ("v.OwnDict(a=1)", "adapter", "(kinds.values.OwnDict)"),
    ("v.OwnText('a')", "adapter", "(kinds.values.OwnText)"),
    ("v.OwnNumber(1)", "adapter", "(kinds.values.OwnNumber)"),
    ("v.OwnDict(a=len)", "callback", ".a (builtin_function_or_method)"),
    ("v.OwnDict().given(len)", "callback", ".done (builtin_function_or_method)"),
    ("v.OwnBytes(b'a')", "adapter", "(kinds.values.OwnBytes)"),
    ("v.OwnSet([1])", "adapter", "(kinds.values.OwnSet)"),
    ("v.OwnOrder(b=1, a=2)", "adapter", "(kinds.values.OwnOrder)"),
    ("v.OwnTime(1, 2, fold=1)", "adapter", "(kinds.values.OwnTime)"),
    ("v.http.cookies.SimpleCookie('a=b')", "adapter", "(http.cookies.SimpleCookie)"),
    ("v.collections.UserDict(a=1)", "adapter", "(collections.UserDict)"),
    ("v.collections.ChainMap({'a': 1})", "adapter", "(collections.ChainMap)"),
    ("{'a': 1}.items()", "adapter", "(dict_items)"),
    ("{'a': 1}.values()", "adapter", "(dict_values)"),
    ("v.collections.defaultdict(list, {'a': [1]})", "adapter", "(collections.defaultdict)"),
    ("v.collections.defaultdict(lambda: 1)", "value", "(collections.defaultdict)"),
    ("v.collections.Counter('aab')", "adapter", "(collections.Counter)"),
    ("v.a_row()", "adapter", "(sqlite3.Row)"),
    ("v.re.compile('a')", "adapter", "(re.Pattern)"),
    ("range(3)", "adapter", "(range)"),
    ("v.zoned(v.OwnZone())", "adapter", "(datetime.datetime)"),
    ("v.zoned(v.zoneinfo.ZoneInfo('UTC'))", "adapter", "(datetime.datetime)"),
    ("v.OwnZone()", "adapter", "(kinds.values.OwnZone)"),
    ("v.datetime.timezone.utc", "adapter", "(datetime.timezone)"),
    ("v.OwnMoment(2026, 1, 1)", "adapter", "(kinds.values.OwnMoment)"),
    ("v.OwnAmount(1)", "adapter", "(kinds.values.OwnAmount)"),
    ("v.types.MappingProxyType({'a': [1]})", "adapter", "(mappingproxy)"),
    ("v.types.MappingProxyType({'a': len})", "callback", "[0].a (builtin_function_or_method)"),
    ("v.types.SimpleNamespace(a=1)", "adapter", "(types.SimpleNamespace)"),
    ("{'a': 1}.keys()", "adapter", "(dict_keys)"),
    ("{'a': len}.values()", "callback", "[0] (builtin_function_or_method)"),
    ("v.array.array('d', [1])", "adapter", "(array.array)"),
    ("memoryview(b'a')", "value", "(memoryview)"),
    ("...", "adapter", "(ellipsis)"),
    ("v.fractions.Fraction(1, 3)", "adapter", "(fractions.Fraction)"),
    ("v.ipaddress.ip_address('127.0.0.1')", "adapter", "(ipaddress.IPv4Address)"),
    ("v.asyncio.Event()", "live", "(asyncio.locks.Event)"),
    ("v.threading.Event()", "live", "(threading.Event)"),
    ("v.string.Template('a')", "value", "(string.Template)"),
    ("v.collections.UserDict(a=v.threading.Lock())", "live", "(collections.UserDict)"),
    ("v.OwnConnection(':memory:')", "resource", "(kinds.values.OwnConnection)"),
    ("v.logger", "named", "(logging.Logger)"),
    ("v.service.connection", "named", "(sqlite3.Connection)"),
    ("v.free", "callback", "(function)"),
    ("v.threading.Lock()", "live", "(_thread.lock)"),
    ("open('/dev/null')", "live", "(_io.TextIOWrapper)"),
]


@pytest.mark.parametrize(("value", "class_", "path"), VALUES)
def test_values(together, value, class_, path):
    found = together(taken(VALUES))
    check_value(found[f"back.take({value})"], class_, path)


VALUES_OF_LIBRARIES = [
    ("r.order", "adapter", "(kinds.rows.Order)"),
    ("r.loaded", "adapter", "(kinds.rows.Order)"),
    ("r.with_lines", "adapter", "(kinds.rows.Order)"),
    ("r.Person(name='a')", "adapter", "(kinds.rows.Person)"),
    ("r.Attrs(1)", "adapter", "(kinds.rows.Attrs)"),
    ("r.AttrsDict(1)", "adapter", "(kinds.rows.AttrsDict)"),
    ("r.Struct(amount=1)", "value", "(kinds.rows.Struct)"),
    ("r.session", "named", "(sqlalchemy.orm.session.Session)"),
    ("r.engine", "named", "(sqlalchemy.engine.base.Engine)"),
    ("r.maker", "named", "(sqlalchemy.orm.session.sessionmaker)"),
    ("r.session.query(r.Order)", "generator", "(sqlalchemy.orm.query.Query)"),
    ("r.django.db.connection", "resource", "(django.utils.connection.ConnectionProxy)"),
    ("r.django.db.connection.cursor()", "resource", "(django.db.backends.utils.CursorWrapper)"),
    ("r.Person.objects.all()", "generator", "(django.db.models.query.QuerySet)"),
    ("r.settings", "named", "(django.conf.LazySettings)"),
    ("r.client", "named", "(redis.client.Redis)"),
    ("r.flask_request", "named", "(flask.wrappers.Request)"),
    ("r.starlette_request", "named", "(starlette.requests.Request)"),
    ("r.django_request", "named", "(django.http.request.HttpRequest)"),
    ("r.proxy", "resource", "(werkzeug.local.LocalProxy)"),
    ("r.app", "named", "(flask.app.Flask)"),
    ("r.parsed.tzinfo", "adapter", "(pydantic_core._pydantic_core.TzInfo)"),
    ("r.parsed", "adapter", "(datetime.datetime)"),
    ("r.pydantic.SecretStr('a')", "adapter", "(pydantic.types.SecretStr)"),
    ("r.pydantic.HttpUrl('http://a/')", "adapter", "(pydantic.networks.HttpUrl)"),
    ("r.dateutil.tz.tzutc()", "adapter", "(dateutil.tz.tz.tzutc)"),
    ("r.dateutil.tz.tzoffset('a', 3600)", "adapter", "(dateutil.tz.tz.tzoffset)"),
    (
        "r.multidict.MultiDictProxy(r.multidict.MultiDict(a=1))",
        "adapter",
        "(multidict._multidict.MultiDictProxy)",
    ),
    ("r.dateutil.tz.gettz('Europe/Berlin')", "value", "(dateutil.tz.tz.tzfile)"),
    ("r.multidict.CIMultiDict(a=1)", "adapter", "(multidict._multidict.CIMultiDict)"),
    ("r.multidict.MultiDict(a=len)", "callback", "[0][1] (builtin_function_or_method)"),
    ("r.SafeString('a')", "adapter", "(django.utils.safestring.SafeString)"),
    ("r.markupsafe.Markup('a')", "adapter", "(markupsafe.Markup)"),
    ("r.Headers([('a', 'b')])", "adapter", "(werkzeug.datastructures.headers.Headers)"),
    ("r.MultiDict([('a', 'b')])", "adapter", "(werkzeug.datastructures.structures.MultiDict)"),
    ("r.yarl.URL('http://a/b')", "adapter", "(yarl.URL)"),
    ("r.app.config", "named", "(flask.config.Config)"),
    ("r.datastructures.State()", "resource", "(starlette.datastructures.State)"),
    ("r.of_result()", "adapter", "(sqlalchemy.engine.row.Row)"),
    ("r.of_result()._mapping", "adapter", "(sqlalchemy.engine.row.RowMapping)"),
    ("r.with_lines.lines", "adapter", "[0] (kinds.rows.OrderLine)"),
    ("r.Person(name=r.lazystr('a'))", "adapter", "(kinds.rows.Person)"),
    ("r.Person(name=len)", "value", "(kinds.rows.Person)"),
    ("r.datastructures.QueryParams('a=1')", "adapter", "(starlette.datastructures.QueryParams)"),
    ("r.RequestContext(r.django_request)", "resource", "(django.template.context.RequestContext)"),
    ("r.lazy_row(True)", "adapter", "(kinds.rows.Person)"),
    ("r.lazy_row(False)", "adapter", "(django.utils.functional.SimpleLazyObject)"),
    ("r.lazystr('a')", "adapter", "(django.utils.functional.Promise)"),
]


@pytest.mark.parametrize(("value", "class_", "path"), VALUES_OF_LIBRARIES)
def test_values_of_libraries(together, value, class_, path):
    found = together(taken(VALUES_OF_LIBRARIES), ROWS)
    check_value(found[f"back.take({value})"], class_, path)


#: Values that stand for others, and arrive as these.
STAND_INS = ("r.lazy_row(True)", "r.lazy_row(False)", "r.lazystr('a')", "r.with_lines.lines")


def agree(prelude: str, value: str, class_: str) -> None:
    """Check that the codec of a rehearsal encodes a value if the recorder says so."""
    names: dict[str, Any] = {}
    exec(PRELUDE + prelude + f"value = {value}", names)
    if class_ not in ("plain", "adapter"):
        with pytest.raises(codec.CannotCross):
            codec.encode(names["value"])
        return
    back = codec.decode(codec.encode(names["value"]))
    assert value in STAND_INS or type(back) is type(names["value"])
    assert codec.encode(back)[1:] == codec.encode(names["value"])[1:]


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app in this process."""
    monkeypatch.syspath_prepend(str(APPS))
    codec.allow_package("kinds")


# A service object may have fields that are data: the recorder knows that it is shared, the codec does not.
DATA = [case for case in VALUES if case[1] in ("plain", "adapter", "value", "live", "callback", "generator")]


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(("value", "class_", "path"), DATA)
def test_the_codec_agrees(value, class_, path):
    agree("", value, class_)


DATA_OF_LIBRARIES = [case for case in VALUES_OF_LIBRARIES if case[1] in ("adapter", "value")]


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(("value", "class_", "path"), DATA_OF_LIBRARIES)
def test_the_codec_agrees_about_libraries(value, class_, path):
    agree(ROWS, value, class_)


def test_the_size_of_an_object_is_that_of_its_fields(runs):
    log = run(runs, "back.take(v.Plain()); back.take(v.service)")
    plain, service = (call.payloads[False] for call in log.named(TAKE))
    assert plain["skeleton"] == (
        '{"arguments":{"value":{"object":"kinds.values:Plain","fields":{"amount":"int","points":{"list":'
        '{"namedtuple":"kinds.values:Point","fields":{"x":"int","y":"int"}}}}}}}'
    )
    assert (plain["nodes"], plain["encoded_bytes"] > 60) == (6, True)
    assert service["skeleton"] == '{"arguments":{"value":{"named":"kinds.values:Service"}}}'
    assert service["nodes"] == 1


def test_encoded_bytes_of_a_library_count_with_their_length(runs):
    log = run(runs, "back.take(r.msgspec.Raw(b'1' * 6000))", ROWS)
    assert log.one(TAKE).payloads[False]["encoded_bytes"] > 6000


def test_loaded_relationships_count_and_others_are_not_fetched(runs):
    log = run(
        runs,
        "seen = []\n"
        "r.sqlalchemy.event.listen(r.engine, 'before_cursor_execute', lambda *a: seen.append(a[2]))\n"
        "back.take(r.with_lines); back.take(r.loaded)\n"
        "assert seen == [], seen\n",
        ROWS,
    )
    loaded, alone = (call.payloads[False]["skeleton"] for call in log.named(TAKE))
    assert '"lines":{"list":{"object":"kinds.rows:OrderLine"' in loaded
    assert '"lines"' not in alone and '"name":"str"' in alone


def test_loaded_rows_of_foreign_keys_count(runs):
    log = run(runs, "back.take(r.Pet(owner=r.Person(name='a'))); back.take(r.Pet(owner_id=1))", ROWS)
    loaded, alone = (call.payloads[False]["skeleton"] for call in log.named(TAKE))
    assert '"owner":{"object":"kinds.rows:Person"' in loaded
    assert '"owner":' not in alone


def test_a_relation_of_any_name_counts(runs):
    row = "r.Task(id=1, _state=r.TaskState(id=2, name='pending'))"
    log = run(runs, f"back.take({row}); back.take(r.Task(id=1))", ROWS)
    loaded, alone = (call.payloads[False] for call in log.named(TAKE))
    assert '"_state":{"object":"kinds.rows:TaskState"' in loaded["skeleton"]
    assert '"_state":' not in alone["skeleton"]
    assert loaded["nodes"] - alone["nodes"] == 3


def test_what_crosses_by_a_description_or_a_name_has_a_size(runs):
    log = run(runs, "back.take(1); back.take(r.Session(r.engine))", ROWS)
    number, session = (call.payloads[False] for call in log.named(TAKE))
    assert session["encoded_bytes"] > number["encoded_bytes"] + 100
    assert session["nodes"] > number["nodes"] + 5


def test_rows_within_a_row_count_without_their_lists(runs):
    log = run(runs, "v.taken = r.with_lines.lines[0]; back.take(v.taken)", ROWS)
    skeleton = log.one(TAKE).payloads[False]["skeleton"]
    assert '"order":{"object":"kinds.rows:Order"' in skeleton and '"lines"' not in skeleton


def test_every_obstacle_is_kept_once_and_the_worst_comes_first(runs):
    log = run(
        runs,
        "back.take({'one': [memoryview(b'a')] * 2, 'two': v.logger, 'three': len,"
        " 'four': [v.service] * 3, 'five': iter([])})",
    )
    payload = log.one(TAKE).payloads[False]
    # The keys are spelled out nowhere in the app.
    assert payload["obstacles"] == [
        ("callback", "arguments.value[*] (builtin_function_or_method)"),
        ("named", "arguments.value[*] (logging.Logger)"),
        ("named", "arguments.value[*][0] (kinds.values.Service)"),
        ("generator", "arguments.value[*] (list_iterator)"),
        ("value", "arguments.value[*][0] (memoryview)"),
    ]
    assert (payload["class"], payload["path"]) == payload["obstacles"][0]


RECEIVERS = [
    ("v.plain.total()", "Plain.total", "service", "kinds.values:plain", "it lives at module level"),
    (
        "v.services['main'].total()",
        "Service.total",
        "service",
        "kinds.values:services/main",
        "it lives at module level",
    ),
    ("v.plain()", "Plain.__call__", "service", "kinds.values:plain", "it lives at module level"),
    ("v.line.double()", "Line.double", "service", "kinds.values:line", "it lives at module level"),
    ("v.Plain().total()", "Plain.total", "value", "", "its fields are data"),
    ("v.Child().total()", "Plain.total", "value", "", "its fields are data"),
    ("v.Plain().half", "Plain.half", "value", "", "its fields are data"),
    ("v.asyncio.run(v.Plain().later())", "Plain.later", "value", "", "its fields are data"),
    ("v.Plain().add()", "Plain.add", "reference", "", "the call changed its fields"),
    ("v.Line('a').add()", "Line.add", "value", "", "its fields are data"),
    ("v.Line('a').double()", "Line.double", "value", "", "its fields are data"),
    ("v.Point(1, 2).norm()", "Point.norm", "value", "", "its fields are data"),
    ("v.Color.RED.label()", "Color.label", "value", "", "its fields are data"),
    ("v.Slots().total()", "Slots.total", "value", "", "its fields are data"),
    ("v.Empty().total()", "Empty.total", "service", "", "it has no fields"),
    ("v.Kept('a').total()", "Kept.total", "service", "kinds.values:Kept/_kept/a", "it lives at module level"),
    ("v.local()[0]().total()", "local.<locals>.Local.total", "value", "", "its fields are data"),
    (
        "v.Service().total()",
        "Service.total",
        "service",
        "",
        "its field connection holds a resource (sqlite3.Connection)",
    ),
    (
        "v.Outer().total()",
        "Outer.total",
        "service",
        "",
        "its field callback holds a callback (builtin_function_or_method)",
    ),
    (
        "v.Command(v.service).total()",
        "Command.total",
        "service",
        "",
        "its field service holds a service object (kinds.values.Service)",
    ),
    (
        "v.Subscriber().total()",
        "Subscriber.total",
        "reference",
        "",
        "its field on_done holds a callback (function)",
    ),
    (
        "v.Locked().total()",
        "Locked.total",
        "reference",
        "",
        "its field lock holds a live resource (_thread.lock)",
    ),
    (
        "v.Node().total()",
        "Node.total",
        "reference",
        "",
        "its field parent holds an object that stays where it is (kinds.values.Node)",
    ),
    (
        "back.apply(v.Parser().feed, 'a</b>')",
        "Parser.handle_data",
        "extension",
        "",
        "its class extends one of a library, which calls it",
    ),
    ("back.apply(v.Parser().handle_data, 'a')", "Parser.handle_data", "value", "", "its fields are data"),
    (
        "v.Parser().feed('a</b>')",
        "Parser.handle_data",
        "extension",
        "",
        "its class extends one of a library, which calls it",
    ),
    (
        "back.apply(v.Keeper().emit, 'a')",
        "Keeper.emit",
        "reference",
        "",
        "its field lock holds a live resource (_thread.RLock)",
    ),
    ("back.enter(v.Entered())", "Entered.__enter__", "service", "", "it has no fields"),
    ("v.OwnDict().total()", "OwnDict.total", "value", "", "its fields are data"),
    ("v.OwnConnection(':memory:').total()", "OwnConnection.total", "service", "", "it is a resource"),
    ("v.Plain.make(1)", "Plain.make", "class", "kinds.values:Plain", "it is a class"),
    ("v.Child.make(1)", "Plain.make", "class", "kinds.values:Child", "it is a class"),
    ("v.Plain(1)", "Plain.__init__", "value", "", "its fields are data"),
    (
        "v.Service()",
        "Service.__init__",
        "service",
        "",
        "its field connection holds a resource (sqlite3.Connection)",
    ),
]


@pytest.mark.parametrize(("call", "name", "kind", "place", "reason"), RECEIVERS)
def test_receivers(together, call, name, kind, place, reason):
    cases = tuple((call, f"kinds.values:{name}") for call, name, *_ in RECEIVERS)
    payload = together(cases, "import asyncio; v.asyncio = asyncio\n")[call]
    found = payload["receiver"]
    assert (found["kind"], found["place"], found["reason"]) == (kind, place, reason)
    # Only data has a size.
    assert (found["encoded_bytes"] > 0, found["nodes"] > 0) == ((kind == "value"),) * 2
    assert "self" not in payload["skeleton"] and "cls" not in payload["skeleton"]
    assert payload["class"] == "plain"


def test_a_method_that_a_library_was_given_is_an_extension(runs):
    """Django finds the router by a name in its settings."""
    log = run(
        runs,
        "def ask(kind): kind.objects.all().db\n"
        "back.apply(ask, r.Person)\n"
        "router = r.Router()\n"
        "back.apply(router.allow_migrate, None)\n",
        ROWS,
    )
    receiver = log.named("kinds.rows:Router.db_for_read")[-1].payloads[False]["receiver"]
    assert (receiver["kind"], receiver["reason"]) == (
        "extension",
        "a library calls it, and no other module names it",
    )
    # Called by the app itself, it is as any other.
    receiver = log.one("kinds.rows:Router.allow_migrate").payloads[False]["receiver"]
    assert receiver["kind"] == "reference"


def test_a_function_that_a_library_was_given_is_an_extension(runs):
    """Validators run where their model does."""
    code = "back.apply(lambda text: v.Label(text=text), 'abcd')\nv.shortened('abcd')\nv.Label.lowered('A')\n"
    log = run(runs, code)
    for name, kind, type_name in (
        ("shortened", None, "function"),
        ("Label.lowered", "class", "kinds.values.Label"),
    ):
        calls = log.named(f"kinds.values:{name}")
        by_pydantic, by_app = (call.payloads[False]["receiver"] for call in calls)
        assert (by_pydantic["kind"], by_pydantic["type_name"], by_pydantic["reason"]) == (
            "extension",
            type_name,
            "a library calls it, and no other module names it",
        )
        assert (by_app and by_app["kind"]) == kind


def test_a_subscriber_that_a_library_was_given_is_a_call(runs, tmp_path):
    """A split would have to send the message: nobody may take that for a call that never crosses."""
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "emitter.py").write_text("def emit(function, message):\n    return function(message)\n")
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import emitter\n"
        "back.apply(lambda text: emitter.emit(v.shortened, text), 'abcd')\n"
        "back.apply(lambda text: emitter.emit(v.Label.lowered, text), 'A')\n"
    )
    log = run(runs, code)
    assert log.one("kinds.values:shortened").payloads[False]["receiver"] is None
    assert log.one("kinds.values:Label.lowered").payloads[False]["receiver"]["kind"] == "class"


SERVED = """
from splitcost import _places

class App: pass
class Registry(dict): pass

def held():
    app = App()
    app.service = v.Service()
    for _ in range(20):
        back.apply(v.Service.total, app.service)
    app.plain = Registry()
    app.plain.service = v.Service()
    _places.serve(app)
    back.apply(v.Service.total, app.service)
    back.apply(v.Service.total, app.plain.service)
    return app

app = held()
"""


def test_an_object_of_the_served_app_has_a_name_however_often_the_start_used_it(runs):
    log = run(runs, SERVED)
    receivers = [call.payloads[False]["receiver"] for call in log.named("kinds.values:Service.total")]
    assert {found["place"] for found in receivers[:-2]} == {""}
    assert [found["place"] for found in receivers[-2:]] == ["(app)/service", "(app)/plain/service"]


ARGUMENTS = [
    ("v.Plain.static(v.plain)", "Plain.static"),
    ("v.Plain.static(v.Plain)", "Plain.static"),
    ("v.plain._Plain__hidden(v.plain)", "Plain.__hidden"),
    ("v.free(v.plain)", "free"),
    ("v.nested(1)(v.plain)", "nested.<locals>.inner"),
    ("v.Plain.half.fget(v.Line('a'))", "Plain.half"),
]


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_what_is_no_receiver_is_an_argument(together, call, name):
    payload = together(tuple((call, f"kinds.values:{name}") for call, name in ARGUMENTS))[call]
    assert payload["receiver"] is None
    assert '"arguments":{"first"' in payload["skeleton"] or '"arguments":{"self"' in payload["skeleton"]


def test_an_object_that_several_requests_use_is_a_service_object(runs):
    """Each call of `apply` is a request."""
    log = run(
        runs,
        "shelf, line = v.Plain(), v.Line('a')\n"
        "for order in (shelf, shelf, v.Plain(), v.Plain()): back.apply(v.Plain.total, order)\n"
        "for order in (line, line): back.apply(v.Line.double, order)\n"
        "back.take(shelf)\n",
    )
    receivers = [call.payloads[False]["receiver"] for call in log.named("kinds.values:Plain.total")]
    assert [found["kind"] for found in receivers] == ["value", "service", "value", "value"]
    assert receivers[1]["reason"] == "several requests use it"
    kinds = {call.payloads[False]["receiver"]["kind"] for call in log.named("kinds.values:Line.double")}
    assert kinds == {"value"}
    assert log.one(TAKE).payloads[False]["class"] == "service"


def test_many_objects_that_several_requests_use_are_data(runs):
    log = run(
        runs,
        "kept = [v.Plain() for _ in range(6)]\nfor order in kept * 2: back.apply(v.Plain.total, order)\n",
    )
    kinds = {call.payloads[False]["receiver"]["kind"] for call in log.named("kinds.values:Plain.total")}
    assert kinds == {"value"}


def test_a_row_is_data_as_a_receiver(runs):
    log = run(runs, "r.Order(id=3).total(); r.Person(name='a').total()", ROWS)
    for name in ("Order.total", "Person.total"):
        assert log.one(f"kinds.rows:{name}").payloads[False]["receiver"]["kind"] == "value"


def test_loading_a_row_is_no_change_and_changing_it_is_one(runs):
    log = run(
        runs,
        "def read(order): return [line.id for line in order.lines]\n"
        "def rename(order): order.name = 'c'\n"
        "r.session.expire_all()\n"
        "back.apply(read, r.order); back.apply(rename, r.order)\n"
        "back.apply(r.Order.rename, r.order)\n",
        ROWS,
    )
    read, renamed, method = (call.payloads[False] for call in log.named("kinds.back:apply"))

    def classes(payload):
        return {class_ for class_, path in payload["obstacles"] if "order" in path.lower()}

    assert classes(read) == set()
    assert classes(renamed) == classes(method) == {"mutated"}

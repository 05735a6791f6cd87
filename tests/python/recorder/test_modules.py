"""The modules between which calls are recorded: classes of a file, packages by depth, third-party packages."""

from __future__ import annotations

import importlib
import textwrap

import pytest
from recorder_support import APPS
from splitcost.rehearsal.config import Config

CLASS = "onefile.services:Orders"


def tree_of_handle(log):
    """Return the calls of the one request that a program makes, apart from what it runs when it is imported."""
    (request,) = [i for i, r in log.requests.items() if r["endpoint"].endswith(":handle")]
    return log.tree(request)


def tree(runs, call, *, modules=CLASS):
    """Return the calls of one request, those of the class marked."""
    text = f"from onefile import web\nweb.handle({call})\n"
    (log,) = runs.run("-c", text, SPLITCOST_PACKAGES="onefile", SPLITCOST_MODULES=modules)
    log.check()
    lines = [line.replace(f"{CLASS}:", "[Orders] ") for line in tree_of_handle(log)]
    assert lines.pop(0) == "onefile.web:handle"
    return [line.removeprefix("  ").replace("onefile.services:", "") for line in lines]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("lambda s: s.orders.place()", ["[Orders] Orders.place", "  rate"]),
        ("lambda s: s.Orders()", ["[Orders] Orders.__init__"]),
        ("lambda s: s.orders()", ["[Orders] Orders.__call__"]),
        ("lambda s: s.Orders.number()", ["[Orders] Orders.number"]),
        ("lambda s: s.Orders.make()", ["[Orders] Orders.make"]),
        ("lambda s: s.orders.size", ["[Orders] Orders.size"]),
        ("lambda s: s.Orders.Line().total()", ["[Orders] Orders.Line.total"]),
        ("lambda s: s.orders.cancel()", ["logged.<locals>.wrapper", "  [Orders] Orders.cancel"]),
        ("lambda s: __import__('asyncio').run(s.orders.later())", ["[Orders] Orders.later", "  rate"]),
        ("lambda s: list(s.orders.each())", ["[Orders] Orders.each", "  rate"]),
        (
            "lambda s: s.orders.callback()()",
            [f"[Orders] Orders.callback{part}" for part in ("", ".<locals>.<lambda>")] + ["  rate"],
        ),
        # Subclasses in the same file belong to it, with the classes in them.
        ("lambda s: s.rush.place()", ["[Orders] Rush.place", "  rate"]),
        ("lambda s: s.Rush.Label().text()", ["[Orders] Rush.Label.text"]),
        # The rest of the file calls it like anybody else; a base class belongs to the rest.
        ("lambda s: s.users.greet(s.rush)", ["Users.greet", "  [Orders] Rush.place", "    rate"]),
        ("lambda s: s.orders.save()", ["Records.save"]),
    ],
)
def test_a_class_is_a_module_where_it_is_named(runs, call, expected):
    assert tree(runs, call) == expected


def test_a_class_that_is_not_named_belongs_to_its_file(runs):
    assert tree(runs, "lambda s: s.users.greet(s.orders)", modules="") == ["Users.greet"]


def test_a_class_carries_shapes(runs):
    text = "from onefile import web\nweb.handle(lambda s: s.users.greet(s.orders))\n"
    (log,) = runs.run("-c", text, SPLITCOST_PACKAGES="onefile", SPLITCOST_MODULES=CLASS)
    (call,) = log.named(f"{CLASS}:Orders.place")
    receiver = call.payloads[False]["receiver"]
    assert (receiver["kind"], receiver["place"]) == ("service", "onefile.services:orders")
    assert call.payloads[True]["skeleton"] == '"int"'
    assert call.payloads[False]["file"].endswith("services.py")


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        ("", ["nested.web:handle", "  nested.billing:bill"]),
        ("1", ["nested:handle"]),
        ("2", ["nested.web:handle", "  nested.billing:bill"]),
        ("3", ["nested.web:handle", "  nested.billing.api:bill", "    nested.billing.invoices:bill"]),
        (
            "4",
            [
                "nested.web:handle",
                "  nested.billing.api:bill",
                "    nested.billing.invoices.service:bill",
                "      nested.billing.invoices.repo:save",
            ],
        ),
    ],
)
def test_depth_divides_packages(runs, depth, expected):
    text = "from nested import web\nweb.handle()\n"
    (log,) = runs.run("-c", text, SPLITCOST_PACKAGES="nested", SPLITCOST_DEPTH=depth)
    log.check()
    assert tree_of_handle(log) == expected


def test_a_third_party_package_is_a_module_where_it_is_named(runs):
    text = "from nested import web\nimport json\nweb.api.bill = lambda n: json.dumps([n])\nweb.handle()\n"
    (log,) = runs.run("-c", text, SPLITCOST_PACKAGES="nested", SPLITCOST_MODULES="json.encoder,json")
    log.check()
    assert tree_of_handle(log)[:2] == ["nested.web:handle", "  json:dumps"]
    runs.directory = runs.directory.with_name("unnamed")
    (log,) = runs.run("-c", text, SPLITCOST_PACKAGES="nested")
    assert tree_of_handle(log) == ["nested.web:handle"]


LAYOUTS = {
    "package": {
        "app/__init__.py": "",
        "app/front.py": "from app import back\n{front}",
        "app/back.py": "{back}",
    },
    # Without a file of its own, and in two places.
    "namespace": {"one/app/front.py": "from app import back\n{front}", "two/app/back.py": "{back}"},
}
FRONT = "def handle():\n    return back.work(1)\n"
BACK = "def work(n):\n    return n\n"


def write(directory, layout):
    for name, text in LAYOUTS[layout].items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(front=FRONT, back=BACK))


@pytest.mark.parametrize("layout", ["package", "namespace"])
@pytest.mark.parametrize("installed", ["copied", "editable"])
def test_an_installed_app_is_recorded(runs, tmp_path, layout, installed):
    """An app lies where pip puts packages, or is found by the hooks that editable installs put there."""
    packages = tmp_path / "lib" / "site-packages"
    source = tmp_path / "src" if installed == "editable" else packages
    packages.mkdir(parents=True)
    write(source, layout)
    places = [str(source / part) for part in ("one", "two")] if layout == "namespace" else [str(source)]
    if installed == "editable":
        (packages / "__editable__.app.pth").write_text("\n".join(places) + "\n")
        places = [str(packages)]
    text = f"""
        import site
        for place in {places!r}:
            site.addsitedir(place)
        from app import front
        front.handle()
    """
    (log,) = runs.run("-c", textwrap.dedent(text), SPLITCOST_PACKAGES="app")
    log.check()
    assert tree_of_handle(log) == ["app.front:handle", "  app.back:work"]


def test_an_app_in_one_file_is_divided_by_classes(runs, tmp_path):
    packages = tmp_path / "lib" / "site-packages"
    packages.mkdir(parents=True)
    single = "class Work:\n    def do(self):\n        return 1\n\ndef handle():\n    return Work().do()\n"
    (packages / "single.py").write_text(single)
    text = f"import site\nsite.addsitedir({str(packages)!r})\nimport single\nsingle.handle()\n"
    (log,) = runs.run("-c", text, SPLITCOST_PACKAGES="single", SPLITCOST_MODULES="single:Work")
    log.check()
    assert tree_of_handle(log) == ["single:handle", "  single:Work:Work.do"]


HANDLERS = """
REGISTRY = []

def named():
    return 1

def handed_out():
    return 2

def looked_up():
    return 3

REGISTRY.append(handed_out)
"""
HANDLING = """
from plugins import back
from plugins.back import named as renamed

def handle():
    return renamed() + back.REGISTRY[0]() + getattr(back, "looked_up")()
"""


def test_a_function_that_only_its_module_names_is_known(runs, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/__init__.py").touch()
    (tmp_path / "plugins/back.py").write_text(HANDLERS)
    (tmp_path / "plugins/front.py").write_text(HANDLING)
    (log,) = runs.run("-c", "from plugins import front\nfront.handle()\n", SPLITCOST_PACKAGES="plugins")
    log.check()
    unnamed = {r["qualname"]: r["is_unnamed"] for r in log.records if r["record"] == "function"}
    assert unnamed == {"handle": True, "named": False, "handed_out": True, "looked_up": False}


def test_a_rehearsal_names_modules_as_the_recorder_does(monkeypatch):
    monkeypatch.syspath_prepend(APPS)
    services = importlib.import_module("onefile.services")
    document = {
        "services": {},
        "packages": ["onefile", "nested"],
        "main_service": "main",
        "token": "",
        "stack": "",
    }
    document["services"]["main"] = {"rpc_port": 0, "modules": []}

    def owner(module, qualname="", **options):
        config = Config.from_dict(document, "main", (CLASS, "onefile.services", "json"), **options)
        return config.boundary(module, qualname, vars(services))

    of_class = (
        "Orders.place",
        "Orders.Line.total",
        "Orders.f.<locals>.<lambda>",
        "Rush.place",
        "Rush.Label.text",
    )
    for qualname in of_class:
        assert owner("onefile.services", qualname) == CLASS
    for qualname in ("rate", "Users.greet", "Records.save", "logged.<locals>.wrapper", ""):
        assert owner("onefile.services", qualname) == "onefile.services"
    assert owner("json.encoder") == "json"
    assert owner("nested.billing.invoices.repo") == "nested.billing"
    assert owner("nested.billing.invoices.repo", depth=3) == "nested.billing.invoices"
    assert owner("nested", depth=3) == "nested"

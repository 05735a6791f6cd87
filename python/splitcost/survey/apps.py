"""Finds the objects and functions that a server can be started with."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass

from splitcost.survey.django import Django
from splitcost.survey.source import Function, Module, Source, argument, text_of

FRAMEWORKS = {
    "fastapi.FastAPI": ("fastapi", "asgi"),
    "fastapi.applications.FastAPI": ("fastapi", "asgi"),
    "starlette.applications.Starlette": ("starlette", "asgi"),
    "litestar.Litestar": ("litestar", "asgi"),
    "litestar.app.Litestar": ("litestar", "asgi"),
    "quart.Quart": ("quart", "asgi"),
    "falcon.asgi.App": ("falcon", "asgi"),
    "sanic.Sanic": ("sanic", "asgi"),
    "aiohttp.web.Application": ("aiohttp", "own"),
    "tornado.web.Application": ("tornado", "own"),
    "flask.Flask": ("flask", "wsgi"),
    "falcon.App": ("falcon", "wsgi"),
    "falcon.API": ("falcon", "wsgi"),
    "bottle.Bottle": ("bottle", "wsgi"),
    "bottle.default_app": ("bottle", "wsgi"),
    "bottle.app": ("bottle", "wsgi"),
    "django.core.asgi.get_asgi_application": ("django", "asgi"),
    "django.core.wsgi.get_wsgi_application": ("django", "wsgi"),
}
"""The calls that make an app: the framework, and the protocol between server and app."""
COPIED = ("bottle",)
"""The frameworks in one file, which apps carry copies of."""
USUAL_FILES = ("main", "app", "asgi", "wsgi", "application", "server", "web")
"""The last parts of module names that usually hold the app, the most usual first."""
DATABASE_VARIABLE = re.compile(r"(?=.*(DATABASE|DB|SQLALCHEMY))[A-Z][A-Z0-9_]*(URL|URI|DSN|NAME|PATH|FILE)")
"""The usual names of the place of a database."""
UNKNOWN = '"FILL IN"'
"""The argument of a factory of which nothing is known."""
MANAGE = "manage.py"
"""The name of an app that only its ``manage.py`` starts."""


@dataclass(frozen=True)
class App:
    """An app object, or a factory of one, as ``module:name``."""

    framework: str
    protocol: str
    module: str
    name: str
    is_factory: bool
    arguments: str = ""
    """The arguments that the factory must be called with, as source text."""


def find_apps(source: Source) -> list[App]:
    """Return all apps that were found, the most likely one first."""
    factories = {
        f"{module.name}.{app.name}": app
        for module in source.modules.values()
        for app in module_factories(source, module)
    }
    objects = [app for module in source.modules.values() for app in module_objects(source, module, factories)]
    found = [*objects, *factories.values()]
    settings = Django(source).settings
    if settings is not None and not any(app.framework == "django" for app in found):
        found.append(App("django", "wsgi", settings.name, MANAGE, is_factory=False))
    # What is made at import is what the authors start; tools and examples lie deeper than the app.
    return sorted(found, key=lambda app: rank(source, app))


def rank(source: Source, app: App) -> tuple[bool, bool, int, bool, bool, int, int, str]:
    """Return the order of apps."""
    module = source.modules[app.module]
    directory = module.directory.removeprefix("src")
    last = app.module.rpartition(".")[2]
    usual = USUAL_FILES.index(last) if last in USUAL_FILES else len(USUAL_FILES)
    is_asgi_of_django = app.framework == "django" and app.protocol == "asgi"
    is_unknown = UNKNOWN in app.arguments
    depth = len(directory.split("/")) if directory else 0
    return (
        is_unknown,
        not app.is_factory and is_script(module, app.name),
        depth,
        app.is_factory,
        not is_asgi_of_django,
        app.module.count("."),
        usual,
        app.module,
    )


def is_script(module: Module, app: str) -> bool:
    """Return if a module works with its app when it is imported, as one does that fills the database."""
    contexts = (
        item.context_expr
        for statement in module.tree.body
        if isinstance(statement, ast.With)
        for item in statement.items
    )
    return any(
        isinstance(context, ast.Call)
        and isinstance(context.func, ast.Attribute)
        and context.func.attr in ("app_context", "test_request_context")
        and isinstance(context.func.value, ast.Name)
        and context.func.value.id == app
        and module.name.rpartition(".")[2] not in USUAL_FILES
        for context in contexts
    )


def made(source: Source, module: Module, node: ast.expr | None) -> tuple[str, str] | None:
    """Return the framework and protocol of the app that an expression makes."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute) and node.func.attr == "make_wsgi_app":
        return "pyramid", "wsgi"
    name = module.dotted(node.func)
    for known, kind in FRAMEWORKS.items():
        # Some apps carry a copy of their framework.
        if name == known or name.endswith(f".{known}"):
            return kind
    # A class of the app's own that is one of a framework.
    for home, definition in source.lineage(name):
        for base in definition.bases:
            if home.dotted(base) in FRAMEWORKS:
                return FRAMEWORKS[home.dotted(base)]
    return None


def imported_framework(source: Source) -> str:
    """Return the framework that most modules import, for an app that nothing here can start."""
    names = {name.partition(".")[0] for name in FRAMEWORKS} | {"pyramid"}
    counts = Counter(
        origin.partition(".")[0]
        for module in source.modules.values()
        for origin in {origin for origin in module.imports.values() if origin.partition(".")[0] in names}
    )
    return counts.most_common(1)[0][0] if counts else ""


def module_objects(source: Source, module: Module, factories: dict[str, App]) -> list[App]:
    """Return the app objects that a module makes at import, itself or by a factory."""
    found = []
    for statement in module.statements():
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value = statement.value
        kind = made(source, module, value)
        if kind is None and isinstance(value, ast.Call):
            defined = source.find(module.dotted(value.func))
            factory = factories.get(f"{defined[0].name}.{defined[1]}") if defined else None
            kind = (factory.framework, factory.protocol) if factory else None
        if kind is not None:
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found += [App(*kind, module.name, name, is_factory=False) for name in names]
    return found


def module_factories(source: Source, module: Module) -> list[App]:
    """Return the functions of a module that make an app and return it."""
    found: list[App] = []
    if module.name.rpartition(".")[2] in COPIED:
        return found
    for function in module.tree.body:
        if not isinstance(function, Function) or function.name.startswith("_"):
            continue
        nodes = list(ast.walk(function))
        kinds = [
            kind for node in nodes if isinstance(node, ast.Call) and (kind := made(source, module, node))
        ]
        returns = any(isinstance(node, ast.Return) and node.value is not None for node in nodes)
        # Only the server of aiohttp waits for a factory.
        is_callable = isinstance(function, ast.FunctionDef) or kinds[:1] == [("aiohttp", "own")]
        if kinds and returns and is_callable:
            arguments = required_arguments(function, kinds[0][0])
            found.append(App(*kinds[0], module.name, function.name, is_factory=True, arguments=arguments))
    return found


def required_arguments(function: Function, framework: str) -> str:
    """Return the arguments that a factory requires, as source text."""
    required = len(function.args.posonlyargs) + len(function.args.args) - len(function.args.defaults)
    keywords = [
        f"{each.arg}={UNKNOWN}"
        for each, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if default is None
    ]
    if framework == "aiohttp" and required == 1:
        # `python -m aiohttp.web` hands on the rest of its command line.
        return ""
    # Pyramid's usual factory takes the settings of a file first.
    known = ["{}"] if framework == "pyramid" and required == 1 else [UNKNOWN] * required
    return ", ".join([*known, *keywords])


def find_celery(source: Source) -> list[str]:
    """Return the Celery apps as ``module:name``."""
    return [
        f"{module.name}:{target.id}"
        for module in source.modules.values()
        for statement in module.statements()
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)
        if module.dotted(statement.value.func) in ("celery.Celery", "celery.app.Celery")
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


def database_variables(source: Source) -> list[str]:
    """Return the variables of the environment by which the app finds its database, the most likely one first."""
    names = [
        (text, "environ" in (reader := ast.unparse(holder)) or "getenv" in reader)
        for module in source.modules.values()
        for node in module.nodes
        if isinstance(node, ast.Call | ast.Subscript)
        if (text := text_of(node.slice if isinstance(node, ast.Subscript) else argument(node, "key", 0)))
        if DATABASE_VARIABLE.fullmatch(text)
        if (holder := node.value if isinstance(node, ast.Subscript) else node.func)
    ]
    # Settings of a framework have such names, too.
    return list(dict.fromkeys(text for text, _ in sorted(names, key=lambda found: not found[1])))

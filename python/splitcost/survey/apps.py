"""Finds the objects and functions that a server can be started with."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from splitcost.survey.source import Module, Source, text_of

FRAMEWORKS = {
    "fastapi.FastAPI": ("fastapi", "asgi"),
    "starlette.applications.Starlette": ("starlette", "asgi"),
    "litestar.Litestar": ("litestar", "asgi"),
    "litestar.app.Litestar": ("litestar", "asgi"),
    "quart.Quart": ("quart", "asgi"),
    "falcon.asgi.App": ("falcon", "asgi"),
    "flask.Flask": ("flask", "wsgi"),
    "falcon.App": ("falcon", "wsgi"),
    "bottle.Bottle": ("bottle", "wsgi"),
    "django.core.asgi.get_asgi_application": ("django", "asgi"),
    "django.core.wsgi.get_wsgi_application": ("django", "wsgi"),
}
"""The calls that make an app: the framework, and the protocol between server and app."""
USUAL_FILES = ("main", "app", "asgi", "wsgi", "application", "server", "web")
"""The last parts of module names that usually hold the app, the most usual first."""


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
        for app in module_factories(module)
    }
    objects = [app for module in source.modules.values() for app in module_objects(source, module, factories)]
    # What is made at import is what the authors start; tools and examples lie deeper than the app.
    return sorted([*objects, *factories.values()], key=rank)


def rank(app: App) -> tuple[bool, bool, int, int, str]:
    """Return the order of apps."""
    last = app.module.rpartition(".")[2]
    usual = USUAL_FILES.index(last) if last in USUAL_FILES else len(USUAL_FILES)
    is_asgi_of_django = app.framework == "django" and app.protocol == "asgi"
    return app.is_factory, not is_asgi_of_django, app.module.count("."), usual, app.module


def made(module: Module, node: ast.expr | None) -> tuple[str, str] | None:
    """Return the framework and protocol of the app that an expression makes."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "make_wsgi_app":
            return "pyramid", "wsgi"
        return FRAMEWORKS.get(module.dotted(node.func))
    return None


def module_objects(source: Source, module: Module, factories: dict[str, App]) -> list[App]:
    """Return the app objects that a module makes at import, itself or by a factory."""
    found = []
    for statement in module.statements():
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value = statement.value
        kind = made(module, value)
        if kind is None and isinstance(value, ast.Call):
            defined = source.find(module.dotted(value.func))
            factory = factories.get(f"{defined[0].name}.{defined[1]}") if defined else None
            kind = (factory.framework, factory.protocol) if factory else None
        if kind is not None:
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found += [App(*kind, module.name, name, is_factory=False) for name in names]
    return found


def module_factories(module: Module) -> list[App]:
    """Return the functions of a module that make an app and return it, and that a server can call."""
    found = []
    for function in module.tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        kinds = [
            kind for node in ast.walk(function) if isinstance(node, ast.Call) and (kind := made(module, node))
        ]
        returns = any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(function))
        required = len(function.args.posonlyargs) + len(function.args.args) - len(function.args.defaults)
        # Pyramid's usual factory takes the settings of a file first.
        is_pyramid = kinds[:1] == [("pyramid", "wsgi")] and required == 1
        if kinds and returns and (required == 0 or is_pyramid) and not function.name.startswith("_"):
            arguments = "{}" if is_pyramid else ""
            found.append(App(*kinds[0], module.name, function.name, is_factory=True, arguments=arguments))
    return found


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


def django_settings(source: Source) -> Module | None:
    """Return the settings module of a Django project."""
    for module in source.modules.values():
        if value_of(module, "ROOT_URLCONF") is not None:
            return module
    return None


def django_parts(source: Source) -> list[str]:
    """Return the packages of a Django project that its settings install as apps."""
    settings = django_settings(source)
    found: list[str] = []
    for node in ast.walk(settings.tree) if settings else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.partition(".apps.")[0]
            module = source.modules.get(name)
            if module is not None and module.is_package and name not in found:
                found.append(name)
    return found


def value_of(module: Module, name: str) -> ast.expr | None:
    """Return the value that a module gives a name at import."""
    for statement in module.statements():
        if isinstance(statement, ast.Assign):
            if any(isinstance(target, ast.Name) and target.id == name for target in statement.targets):
                return statement.value
    return None


def url_conf(source: Source) -> Module | None:
    """Return the module with the routes of a Django project."""
    settings = django_settings(source)
    name = text_of(value_of(settings, "ROOT_URLCONF")) if settings else None
    return source.modules.get(name or "")

"""Finds the routes that an app declares: decorators, route tables and URL configurations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from splitcost.survey.apps import url_conf
from splitcost.survey.body import example_body
from splitcost.survey.source import Module, Source, argument, text_of, texts_of

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
NO_TYPES: Mapping[str, str] = {}
DEEPEST = 8
"""Chosen: routers are seldom nested more than three deep; a circle ends."""


@dataclass(frozen=True)
class Route:
    """A route with placeholders as ``{name}``, and the types of these as far as they are known."""

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    body: object = None
    """An example of the JSON body, made from the types that the handler names."""

    @classmethod
    def of(
        cls, method: str, template: str, body: object = None, types: Mapping[str, str] = NO_TYPES
    ) -> Route:
        """Make a route of the template of any framework."""
        params: dict[str, str] = {}

        def placeholder(match: re.Match[str]) -> str:
            inner = match.group(1) or match.group(2) or ""
            first, _, second = inner.partition(":")
            # Flask and Django write <int:id>; Starlette and Litestar {id:int}; Pyramid {id:regex}.
            kind, name = (first, second) if match.group(1) and second else (second, first)
            name = re.sub(r"\W", "_", name.partition("(")[0])
            is_int = (kind or types.get(name, "")).startswith(("int", r"\d", "[0-9]"))
            params[name] = "int" if is_int else "str"
            return f"{{{name}}}"

        path = re.sub(r"<([^<>]+)>|\{((?:[^{}]|\{[^{}]*\})+)\}", placeholder, template)
        return cls(method.upper(), joined(path), params, body)


def joined(*parts: str) -> str:
    """Return the path that parts make, with one slash between them."""
    return re.sub(r"/{2,}", "/", "/" + "/".join(filter(None, parts)))


def find_routes(source: Source, framework: str) -> list[Route]:
    """Return the routes of all modules, each once."""
    if framework == "django":
        found = list(django_routes(source, url_conf(source), "", 0))
    else:
        routers = Routers(source)
        found = [route for module in source.modules.values() for route in routers.routes(module)]
        found += [route for module in source.modules.values() for route in pyramid_routes(module)]
    unique = {(route.method, route.path): route for route in reversed(found)}
    return sorted(unique.values(), key=lambda route: (route.path.count("/"), route.path, route.method))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield all calls of a syntax tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


class Routers:
    """The prefixes that routers, blueprints and applications give to the routes of each other."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.own: dict[str, str] = {}
        """The prefix that a router is made with, by its dotted name."""
        self.replaced: dict[str, str] = {}
        """The prefix that an application gives a blueprint instead of its own."""
        self.included: dict[str, list[tuple[str, str | None]]] = {}
        """Per router: the routers that include it, with the prefix that they give it."""
        self.handled: dict[str, list[str]] = {}
        """Per handler of Litestar: the prefixes of the routers that list it."""
        for module in source.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
                    self.add_router(module, node, node.value)
                if isinstance(node, ast.Call):
                    self.add_inclusion(module, node)

    def name_of(self, module: Module, node: ast.expr | None) -> str:
        """Return the dotted name under which a router is defined."""
        dotted = module.dotted(node)
        found = self.source.find(dotted)
        return f"{found[0].name}.{found[1]}" if found else dotted

    def add_router(self, module: Module, node: ast.Assign | ast.AnnAssign, call: ast.Call) -> None:
        """Take the prefix of a router that is made."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        prefix = text_of(argument(call, "prefix")) or text_of(argument(call, "url_prefix")) or ""
        for target in targets:
            if isinstance(target, ast.Name):
                self.own[f"{module.name}.{target.id}"] = prefix

    def add_inclusion(self, module: Module, call: ast.Call) -> None:
        """Take the inclusion of one router, or of handlers, in another router."""
        if module.dotted(call.func) in ("litestar.Router", "litestar.router.Router"):
            path, handlers = text_of(argument(call, "path", 0)), argument(call, "route_handlers", 1)
            for handler in handlers.elts if isinstance(handlers, ast.List | ast.Tuple) else []:
                self.handled.setdefault(self.name_of(module, handler), []).append(path or "")
        if isinstance(call.func, ast.Attribute) and call.func.attr in (
            "include_router",
            "register_blueprint",
        ):
            router = self.name_of(module, argument(call, "router", 0) or argument(call, "blueprint", 0))
            given = argument(call, "prefix") or argument(call, "url_prefix")
            # A blueprint's own prefix is replaced by the given one; a router's is extended.
            replaces = call.func.attr == "register_blueprint"
            prefix = text_of(given)
            outer = self.name_of(module, call.func.value)
            if replaces and prefix is not None:
                self.replaced[router] = prefix
                prefix = ""
            self.included.setdefault(router, []).append((outer, prefix))

    def prefixes(self, router: str, depth: int = 0) -> list[str]:
        """Return the whole prefixes of a router's routes."""
        own = self.replaced.get(router, self.own.get(router, ""))
        outer = self.included.get(router, [])
        if not outer or depth > DEEPEST:
            return [own]
        return [
            joined(before, prefix or "", own)
            for name, prefix in outer
            for before in self.prefixes(name, depth + 1)
        ]

    def routes(self, module: Module) -> Iterator[Route]:
        """Yield the routes that a module declares."""
        methods: set[ast.AST] = set()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node not in methods:
                yield from self.decorated(module, node, [""])
            elif isinstance(node, ast.ClassDef):
                path = class_path(node)
                if path is not None:
                    # The walk meets a class before its methods.
                    methods.update(node.body)
                    outer = self.handled.get(f"{module.name}.{node.name}", [""])
                    for function in node.body:
                        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                            yield from self.decorated(module, function, [joined(o, path) for o in outer])
            elif isinstance(node, ast.Call) and module.dotted(node.func) == "starlette.routing.Route":
                template = text_of(argument(node, "path", 0))
                for method in texts_of(argument(node, "methods")) or ["GET"]:
                    if template is not None:
                        yield Route.of(method, template)

    def decorated(
        self, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, controller: list[str]
    ) -> Iterator[Route]:
        """Yield the routes that a function's decorators declare."""
        for call in function.decorator_list:
            if not isinstance(call, ast.Call):
                continue
            dotted = module.dotted(call.func)
            name = dotted.rpartition(".")[2]
            is_litestar = dotted.startswith("litestar.")
            if name not in (*METHODS, "route", "api_route"):
                continue
            template = text_of(argument(call, "path", 0) or argument(call, "rule"))
            if template is None and not (is_litestar and not call.args):
                continue
            methods = texts_of(argument(call, "methods")) or ["GET"] if name.endswith("route") else [name]
            if is_litestar:
                own = self.handled.get(f"{module.name}.{function.name}", [""])
                prefixes = [joined(outer, inner) for outer in controller for inner in own]
            elif isinstance(call.func, ast.Attribute) and controller == [""]:
                prefixes = self.prefixes(self.name_of(module, call.func.value))
            else:
                continue
            for prefix in prefixes:
                for method in methods:
                    path = joined(prefix, template or "") if template else prefix or "/"
                    body = example_body(self.source, module, function, path)
                    yield Route.of(method, path, body, annotated_types(function))


def annotated_types(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """Return the types that a function's signature gives its parameters, as source text."""
    parameters = [*function.args.args, *function.args.kwonlyargs]
    return {each.arg: ast.unparse(each.annotation) for each in parameters if each.annotation is not None}


def class_path(node: ast.ClassDef) -> str | None:
    """Return the path of a controller of Litestar, or None for any other class."""
    if not any(isinstance(base, ast.Name | ast.Attribute) for base in node.bases):
        return None
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == "path" for target in targets):
                return text_of(statement.value)
    return None


def django_routes(source: Source, module: Module | None, prefix: str, depth: int) -> Iterator[Route]:
    """Yield the routes of a URL configuration and of those that it includes."""
    if module is None or depth > DEEPEST:
        return
    registered = {
        f"{name}.{call.func.attr}": call
        for call in calls(module.tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "register" and len(call.args) > 1
        if (name := text_of(call.args[0])) is not None
    }
    for call in calls(module.tree):
        kind = module.dotted(call.func)
        if kind not in ("django.urls.path", "django.urls.conf.path"):
            continue
        template, view = text_of(argument(call, "route", 0)), argument(call, "view", 1)
        if template is None or view is None or "admin.site" in ast.unparse(view):
            continue
        path = joined(prefix, template)
        if isinstance(view, ast.Call) and module.dotted(view.func).endswith(".include"):
            target = view.args[0] if view.args else None
            if isinstance(target, ast.Tuple) and target.elts:
                target = target.elts[0]
            name = text_of(target)
            if name is not None:
                yield from django_routes(source, source.modules.get(name), path, depth + 1)
            elif isinstance(target, ast.Attribute) and target.attr == "urls":
                yield from rest_routes(registered, path)
        else:
            yield Route.of("GET", path)


def rest_routes(registered: dict[str, ast.Call], prefix: str) -> Iterator[Route]:
    """Yield the routes that a router of Django REST framework makes of its view sets."""
    for call in registered.values():
        name = text_of(call.args[0]) or ""
        yield Route.of("GET", joined(prefix, name, "/"))
        yield Route.of("POST", joined(prefix, name, "/"))
        yield Route.of("GET", joined(prefix, name, "<pk>/"))


def pyramid_routes(module: Module) -> Iterator[Route]:
    """Yield the routes of Pyramid's ``config.add_route``."""
    for call in calls(module.tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_route":
            template = text_of(argument(call, "pattern", 1))
            if template is not None:
                yield Route.of(text_of(argument(call, "request_method")) or "GET", template)

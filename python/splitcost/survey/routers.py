"""Routers, blueprints and applications: their routes, and the prefixes that they give to each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from splitcost.survey.body import example_body, required_query
from splitcost.survey.route import NO_QUERY, Route, joined
from splitcost.survey.source import DEEPEST, Function, Module, Source, argument, text_of, texts_of

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
INCLUSIONS = {
    "include_router": "router",
    "register_blueprint": "blueprint",
    "register_blueprints": "blueprint",
    "blueprint": "blueprint",
    "add_namespace": "ns",
    "mount": "app",
    "add_subapp": "subapp",
}
"""The methods by which one router includes another, with the name of the argument."""
PREFIX_FIRST = ("mount", "add_subapp")
"""The inclusions whose first argument is the prefix."""
OF_LITESTAR = ("data", "body", "headers", "cookies", "query")
"""Parameters by whose names Litestar hands over other parts of a request."""
ROUTERS = ("litestar.Router", "litestar.router.Router")


class Routers:
    """The prefixes that routers, blueprints and applications give to the routes of each other."""

    def __init__(self, source: Source, framework: str) -> None:
        self.source = source
        self.framework = framework
        self.own: dict[str, str] = {}
        """The prefix that a router is made with, by its dotted name."""
        self.replaced: dict[str, str] = {}
        """The prefix that an application gives a blueprint instead of its own."""
        self.included: dict[str, list[tuple[str, str]]] = {}
        """Per router: the routers that include it, with the prefix that they give it."""
        self.services: set[str] = set()
        """The services of Cornice, whose decorators name a method only."""
        self.handled: dict[str, list[str]] = {}
        """Per handler of Litestar: the prefixes of the routers that list it."""
        for module in source.modules.values():
            self.loops = loop_items(source, module)
            for node in module.nodes:
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
        given = argument(call, "prefix") or argument(call, "url_prefix")
        if given is None and module.dotted(call.func).rpartition(".")[2] == "Namespace":
            # flask-restx: a namespace without a path has its name as one.
            given = argument(call, "path") or argument(call, "name", 0)
        is_service = (
            module.dotted(call.func).rpartition(".")[2] == "Service" and argument(call, "path") is not None
        )
        prefix = self.source.text(module, argument(call, "path") if is_service else given) or ""
        for target in targets:
            if isinstance(target, ast.Name):
                if is_service:
                    self.services.add(f"{module.name}.{target.id}")
                self.own[f"{module.name}.{target.id}"] = prefix
                if isinstance(call.func, ast.Attribute) and call.func.attr == "group":
                    # Sanic: a group of blueprints is one.
                    for member in call.args:
                        self.include(module, member, f"{module.name}.{target.id}", "")

    def add_inclusion(self, module: Module, call: ast.Call) -> None:
        """Take the inclusion of one router, or of handlers, in another router."""
        if module.dotted(call.func) in ROUTERS:
            path = self.source.text(module, argument(call, "path", 0)) or ""
            for home, handler in self.source.items(module, argument(call, "route_handlers", 1)):
                self.handled.setdefault(self.name_of(home, handler), []).append(path)
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in INCLUSIONS):
            return
        verb = call.func.attr
        position = 1 if verb in PREFIX_FIRST else 0
        node = argument(call, INCLUSIONS[verb], position)
        given = argument(call, "prefix") or argument(call, "url_prefix") or argument(call, "path")
        given = given or (argument(call, "path", 0) if verb in PREFIX_FIRST else None)
        outer = self.name_of(module, call.func.value)
        for home, item in self.loops.get(node.id, []) if isinstance(node, ast.Name) else []:
            # for blueprint, prefix in ((users, "/users"), (items, "/items"))
            pair = item.elts if isinstance(item, ast.Tuple) else [item]
            prefix = next((text for part in pair if (text := text_of(part)) is not None), None)
            for part in pair:
                if isinstance(part, ast.Name | ast.Attribute):
                    self.include(
                        home, part, outer, prefix if prefix else self.source.text(module, given), verb
                    )
        if node is not None and not (isinstance(node, ast.Name) and node.id in self.loops):
            self.include(module, node, outer, self.source.text(module, given), verb)

    def include(self, module: Module, node: ast.expr, outer: str, prefix: str | None, verb: str = "") -> None:
        """Take the inclusion of a router."""
        router = self.name_of(module, node)
        # A blueprint's own prefix is replaced by the given one; a router's is extended.
        if verb in ("register_blueprint", "add_namespace") and prefix is not None:
            self.replaced[router] = prefix
            prefix = ""
        self.included.setdefault(router, []).append((outer, prefix or ""))

    def prefixes(self, router: str, depth: int = 0) -> list[str]:
        """Return the whole prefixes of a router's routes."""
        own = self.replaced.get(router, self.own.get(router, ""))
        outer = self.included.get(router, [])
        if not outer or depth > DEEPEST:
            return [own]
        found = [
            joined(before, prefix, own)
            for name, prefix in outer
            if name != router
            for before in self.prefixes(name, depth + 1)
        ]
        return list(dict.fromkeys(found)) or [own]

    def routes(self, module: Module) -> Iterator[Route]:
        """Yield the routes that a module declares."""
        methods: set[ast.AST] = set()
        for node in module.nodes:
            if isinstance(node, Function) and node not in methods:
                yield from self.decorated(module, node, [""])
            elif isinstance(node, ast.ClassDef):
                path = class_path(node)
                if path is not None:
                    # The walk meets a class before its methods.
                    methods.update(node.body)
                    outer = self.handled.get(f"{module.name}.{node.name}", [""])
                    for function in node.body:
                        if isinstance(function, Function):
                            yield from self.decorated(module, function, [joined(o, path) for o in outer])
                yield from self.decorated_class(module, node)
            elif isinstance(node, ast.Call):
                yield from self.added(module, node)

    def made(self, prefix: str, template: str, method: str) -> Route:
        """Make a route below a prefix."""
        path = joined(prefix, template) if template else prefix or "/"
        return Route.of(method, path, framework=self.framework)

    def decorated_class(self, module: Module, node: ast.ClassDef) -> Iterator[Route]:
        """Yield the routes of a class of views under ``@router.route``."""
        for call in node.decorator_list:
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if call.func.attr in ("route", "view"):
                for path in call.args:
                    template = self.source.text(module, path)
                    for prefix in self.prefixes(self.name_of(module, call.func.value)):
                        for method in view_methods(self.source, module, ast.Name(node.name)):
                            if template is not None:
                                yield self.made(prefix, template, method)

    def added(self, module: Module, call: ast.Call) -> Iterator[Route]:
        """Yield the routes that ``add_url_rule``, ``add_api_route``, ``add_resource`` or a helper of the app add."""
        function = call.func
        verb = function.attr if isinstance(function, ast.Attribute) else ""
        router = function.value if isinstance(function, ast.Attribute) else None
        templates: list[ast.expr | None]
        if verb == "add_url_rule":
            templates, view = [argument(call, "rule", 0)], argument(call, "view_func", 2)
        elif verb == "add_api_route":
            templates, view = [argument(call, "path", 0)], argument(call, "endpoint", 1)
        elif verb == "add_resource" and len(call.args) > 1:
            templates, view = list(call.args[1:]), call.args[0]
        elif (view := argument(call, "view_func")) is not None and call.args:
            router = call.args[0]
            given = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
            written = [
                item for node in given for item in (node.elts if isinstance(node, ast.List) else [node])
            ]
            templates = [node for node in written if (text_of(node) or "").startswith("/")]
        else:
            return
        methods = texts_of(argument(call, "methods"))
        if not methods:
            methods = view_methods(self.source, module, view)
        for node in templates:
            template = self.source.text(module, node)
            for prefix in self.prefixes(self.name_of(module, router)):
                for method in methods if template is not None else ():
                    yield self.made(prefix, template or "", method)

    def decorated(self, module: Module, function: Function, controller: list[str]) -> Iterator[Route]:
        """Yield the routes that a function's decorators declare."""
        for call in function.decorator_list:
            if not isinstance(call, ast.Call):
                continue
            dotted = module.dotted(call.func)
            name = dotted.rpartition(".")[2] or (
                call.func.attr if isinstance(call.func, ast.Attribute) else ""
            )
            is_litestar = dotted.startswith("litestar.")
            is_global = dotted.startswith("bottle.")
            if name not in (*METHODS, "route", "api_route"):
                continue
            given = argument(call, "path", 0) or argument(call, "rule") or argument(call, "uri")
            templates = [self.source.text(module, given)]
            if isinstance(given, ast.List | ast.Tuple):
                templates = [self.source.text(module, each) for each in given.elts]
            is_service = isinstance(call.func, ast.Attribute) and (
                self.name_of(module, call.func.value) in self.services
            )
            if templates == [None] and not (is_litestar and not call.args) and not is_service:
                continue
            methods = [name]
            if name.endswith("route"):
                methods = texts_of(argument(call, "methods") or argument(call, "method")) or ["GET"]
            if is_litestar:
                own = self.handled.get(f"{module.name}.{function.name}", [""])
                prefixes = [joined(outer, inner) for outer in controller for inner in own]
            elif is_global:
                prefixes = [""]
            elif isinstance(call.func, ast.Attribute) and controller == [""]:
                prefixes = self.prefixes(self.name_of(module, call.func.value))
            else:
                continue
            for template in templates:
                for prefix in prefixes:
                    path = joined(prefix, template or "") if template else prefix or "/"
                    body = example_body(self.source, module, function, path)
                    has_query = self.framework == "fastapi" or is_litestar
                    required = required_query(self.source, module, function, path) if has_query else NO_QUERY
                    if is_litestar:
                        required = {name: kind for name, kind in required.items() if name not in OF_LITESTAR}
                    for method in methods:
                        sent = body if method.lower() in ("post", "put", "patch") else None
                        types = annotated_types(function)
                        yield Route.of(method, path, sent, types, self.framework, required)


def view_methods(source: Source, module: Module, view: ast.expr | None) -> list[str]:
    """Return the methods that a class of views answers; a function answers GET."""
    if isinstance(view, ast.Call) and isinstance(view.func, ast.Attribute):
        # View.as_view("name")
        view = view.func.value
    defined = [
        statement.name.upper()
        for _, definition in source.lineage(module.dotted(view))
        for statement in definition.body
        if isinstance(statement, Function) and statement.name in METHODS
    ]
    return list(dict.fromkeys(defined)) or ["GET"]


def loop_items(source: Source, module: Module) -> dict[str, list[tuple[Module, ast.expr]]]:
    """Return, per variable of a loop over a list that is written out, the items."""
    found: dict[str, list[tuple[Module, ast.expr]]] = {}
    for node in module.nodes:
        if isinstance(node, ast.For):
            target = node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
            items = list(source.items(module, node.iter))
            if isinstance(target, ast.Name) and items != [(module, node.iter)]:
                found[target.id] = items
    return found


def annotated_types(function: Function) -> dict[str, str]:
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

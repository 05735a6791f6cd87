"""Tables of routes: those of Starlette, Pyramid, Falcon, Tornado, aiohttp and Sanic."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from splitcost.survey.route import Route, from_regex, joined
from splitcost.survey.routers import METHODS, Routers, view_methods
from splitcost.survey.source import DEEPEST, Function, Module, Source, argument, texts_of

SPECIFICATIONS = ("tornado.web.url", "tornado.web.URLSpec", "tornado.routing.URLSpec")
"""The calls that make a route of Tornado, beside tuples."""


def table_routes(source: Source, routers: Routers, framework: str) -> Iterator[Route]:
    """Yield the routes of the tables that a framework knows."""
    if framework == "pyramid":
        yield from Pyramid(source).routes()
        return
    for module in source.modules.values():
        if framework in ("starlette", "fastapi"):
            yield from starlette_routes(source, module)
        elif framework == "tornado":
            yield from tornado_routes(source, module)
        elif framework == "falcon":
            yield from falcon_routes(source, module)
        elif framework == "aiohttp":
            yield from aiohttp_routes(source, module, routers)
        if framework in ("starlette", "sanic"):
            yield from added_routes(source, module, routers, framework)


def starlette_routes(source: Source, module: Module) -> Iterator[Route]:
    """Yield the routes of ``Route`` and ``Mount``, each once: those within a ``Mount`` by that alone."""
    tables = [call for call in module.calls() if is_starlette(module, call)]
    inner: set[ast.AST] = set()
    for call in tables:
        if module.dotted(call.func).endswith(".Mount"):
            inner.update(node for _, node in source.items(module, argument(call, "routes", 2)))
    mounted = {
        node
        for other in source.modules.values()
        for call in other.calls()
        if is_starlette(other, call) and other.dotted(call.func).endswith(".Mount")
        for _, node in source.items(other, argument(call, "routes", 2))
    }
    for call in tables:
        if call not in inner and call not in mounted:
            yield from starlette_route(source, module, call, "", 0)


def is_starlette(module: Module, call: ast.Call) -> bool:
    """Return true if a call makes a route of Starlette."""
    return module.dotted(call.func) in ("starlette.routing.Route", "starlette.routing.Mount")


def starlette_route(
    source: Source, module: Module, node: ast.expr, prefix: str, depth: int
) -> Iterator[Route]:
    """Yield the routes of one ``Route`` or ``Mount``."""
    if not (isinstance(node, ast.Call) and is_starlette(module, node)) or depth > DEEPEST:
        return
    template = source.text(module, argument(node, "path", 0))
    if template is None:
        return
    if module.dotted(node.func).endswith(".Mount"):
        for home, item in source.items(module, argument(node, "routes", 2)):
            yield from starlette_route(source, home, item, joined(prefix, template), depth + 1)
        return
    endpoint = argument(node, "endpoint", 1)
    for method in texts_of(argument(node, "methods")) or view_methods(source, module, endpoint):
        yield Route.of(method, joined(prefix, template))


def added_routes(source: Source, module: Module, routers: Routers, framework: str) -> Iterator[Route]:
    """Yield the routes of ``add_route``: path and handler in Starlette, the other way round in Sanic."""
    for call in module.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_route":
            template = source.text(module, argument(call, "uri" if framework == "sanic" else "path", 0))
            handler = argument(call, "route" if framework == "starlette" else "handler", 1)
            if framework == "sanic":
                template = template or source.text(module, argument(call, "uri", 1))
                handler = argument(call, "handler", 0)
            if template is None:
                continue
            methods = texts_of(argument(call, "methods", 2)) or view_methods(source, module, handler)
            for prefix in routers.prefixes(routers.name_of(module, call.func.value)):
                for method in methods:
                    yield Route.of(method, joined(prefix, template), framework=framework)


def tornado_routes(source: Source, module: Module) -> Iterator[Route]:
    """Yield the routes of tuples of a regular expression and a class of handlers, and of ``url``."""
    for node in module.nodes:
        pattern: ast.expr | None
        handler: ast.expr | None
        if isinstance(node, ast.Tuple) and len(node.elts) in (2, 3, 4):
            pattern, handler = node.elts[:2]
        elif isinstance(node, ast.Call) and module.dotted(node.func) in SPECIFICATIONS:
            pattern, handler = argument(node, "pattern", 0), argument(node, "handler", 1)
        else:
            continue
        template = source.text(module, pattern)
        if template is not None and template.lstrip("^(").startswith("/"):
            if source.class_of(module.dotted(handler)) is not None:
                for method in view_methods(source, module, handler):
                    yield Route.of(method, from_regex(template))


def falcon_routes(source: Source, module: Module) -> Iterator[Route]:
    """Yield the routes of ``add_route``, with the methods whose responders the resource has."""
    for call in module.calls():
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "add_route"):
            continue
        template = source.text(module, argument(call, "uri_template", 0))
        resource = argument(call, "resource", 1)
        if isinstance(resource, ast.Name):
            resource = local_value(module, resource.id) or resource
        name = module.dotted(resource.func if isinstance(resource, ast.Call) else resource)
        suffix = source.text(module, argument(call, "suffix"))
        methods = [
            method
            for _, definition in source.lineage(name)
            for statement in definition.body
            if isinstance(statement, Function)
            for method in METHODS
            if statement.name == (f"on_{method}_{suffix}" if suffix else f"on_{method}")
        ]
        for method in dict.fromkeys(methods or ["get"]):
            if template is not None:
                yield Route.of(method, template)


def local_value(module: Module, name: str) -> ast.expr | None:
    """Return the value that any statement of a module gives a name."""
    for node in module.nodes:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            return node.value
    return None


def aiohttp_routes(source: Source, module: Module, routers: Routers) -> Iterator[Route]:
    """Yield the routes of ``web.get`` and the like, and of ``router.add_get`` and the like."""
    for call in module.calls():
        function: ast.expr | None = call.func
        if isinstance(function, ast.Name):
            # A method that is bound to a name: add_route = app.router.add_route
            function = local_value(module, function.id)
        if not isinstance(function, ast.Attribute):
            continue
        verb, dotted = function.attr, module.dotted(function)
        methods, position, router = [verb.removeprefix("add_")], 0, function.value
        if dotted.startswith("aiohttp.web."):
            verb = f"add_{verb}"
            router = function
        elif isinstance(router, ast.Attribute) and router.attr == "router":
            router = router.value
        if verb == "add_route":
            methods, position = texts_of(argument(call, "method", 0)), 1
        elif verb != "add_view" and (not verb.startswith("add_") or methods[0] not in METHODS):
            continue
        template = source.text(module, argument(call, "path", position))
        handler = argument(call, "handler", position + 1)
        if template is None or handler is None or not template.startswith("/"):
            continue
        if verb == "add_view" or methods == ["*"]:
            methods = view_methods(source, module, handler)
        for prefix in routers.prefixes(routers.name_of(module, router)):
            for method in methods:
                yield Route.of(method, joined(prefix, template))


class Pyramid:
    """The routes of ``config.add_route``, with the methods that the views of a route are configured for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.methods: dict[str, list[str]] = {}
        """Per name of a route: the methods that its views answer."""
        self.prefixes: dict[str, list[str]] = {}
        """Per included module or function: the prefixes of its routes."""
        for module in source.modules.values():
            for call in module.calls():
                self.read(module, call)

    def read(self, module: Module, call: ast.Call) -> None:
        """Take a configured view, or the inclusion of a module."""
        name = (
            call.func.attr
            if isinstance(call.func, ast.Attribute)
            else module.dotted(call.func).rpartition(".")[2]
        )
        if name in ("view_config", "add_view", "view_defaults"):
            route = self.source.text(module, argument(call, "route_name"))
            if route is not None:
                methods = texts_of(argument(call, "request_method"))
                self.methods.setdefault(route, []).extend(methods)
        elif name == "include" and call.args:
            prefix = self.source.text(module, argument(call, "route_prefix", 1))
            target = self.source.text(module, call.args[0])
            if target is not None and target.startswith("."):
                base = module.name if module.is_package else module.name.rpartition(".")[0]
                target = f"{base}{target}" if target != "." else base
            target = target or module.dotted(call.args[0])
            if prefix is not None and target:
                self.prefixes.setdefault(target, []).append(prefix)

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        for module in self.source.modules.values():
            for function in module.nodes:
                if not isinstance(function, Function):
                    continue
                for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                    if isinstance(call.func, ast.Attribute) and call.func.attr == "add_route":
                        yield from self.route(module, function, call)

    def route(self, module: Module, function: Function, call: ast.Call) -> Iterator[Route]:
        """Yield the routes of one call, once for each prefix and method."""
        template = self.source.text(module, argument(call, "pattern", 1) or argument(call, "path"))
        if template is None:
            return
        name = self.source.text(module, argument(call, "name", 0)) or ""
        methods = texts_of(argument(call, "request_method")) or self.methods.get(name, [])
        places = (module.name, f"{module.name}.{function.name}")
        prefixes = [prefix for place in places for prefix in self.prefixes.get(place, [])]
        for prefix in prefixes or [""]:
            for method in dict.fromkeys(methods or ["GET"]):
                yield Route.of(method, joined(prefix, template), framework="pyramid")

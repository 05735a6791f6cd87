"""Django projects: their settings, the apps that these install, and the routes of their URL configurations."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain

from splitcost.survey.route import Route, from_regex, joined
from splitcost.survey.source import DEEPEST, Function, Module, Source, argument, text_of, texts_of

PATHS = ("django.urls.path", "django.urls.conf.path")
REGEX_PATHS = ("django.urls.re_path", "django.urls.conf.re_path", "django.conf.urls.url")
FRAMEWORKS_OWN = ("admin.site", "staticfiles", "debug_toolbar")
"""Parts of views that belong to no app."""
GENERIC_VIEWS = {
    "CreateView": ("GET", "POST"),
    "UpdateView": ("GET", "POST"),
    "DeleteView": ("GET", "POST"),
    "FormView": ("GET", "POST"),
    "CreateAPIView": ("POST",),
    "ListCreateAPIView": ("GET", "POST"),
    "DestroyAPIView": ("DELETE",),
    "UpdateAPIView": ("PUT", "PATCH"),
    "RetrieveUpdateAPIView": ("GET", "PUT", "PATCH"),
    "RetrieveDestroyAPIView": ("GET", "DELETE"),
    "RetrieveUpdateDestroyAPIView": ("GET", "PUT", "PATCH", "DELETE"),
}
"""The methods that generic views answer, beside those that they only read with."""
VIEW_SETS = {
    "ModelViewSet": ("list", "create", "retrieve", "update", "partial_update", "destroy"),
    "ReadOnlyModelViewSet": ("list", "retrieve"),
    "ListModelMixin": ("list",),
    "CreateModelMixin": ("create",),
    "RetrieveModelMixin": ("retrieve",),
    "UpdateModelMixin": ("update", "partial_update"),
    "DestroyModelMixin": ("destroy",),
}
"""The actions that the bases of view sets bring along."""
ACTIONS = {
    "list": ("GET", False),
    "create": ("POST", False),
    "retrieve": ("GET", True),
    "update": ("PUT", True),
    "partial_update": ("PATCH", True),
    "destroy": ("DELETE", True),
}
"""Per action: its method, and whether its path names one object."""
UNKNOWN_ACTIONS = ("list", "create", "retrieve")
"""The actions of a view set whose bases are not known."""
HTTP_METHODS = ("get", "post", "put", "patch", "delete")


class Django:
    """A Django project as its settings describe it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.settings = source.settings = self.find_settings()

    def find_settings(self) -> Module | None:
        """Return the settings module: the one that the start files name, else the first that names the routes."""
        for module in self.source.modules.values():
            for call in module.calls():
                # os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")
                if (
                    texts_of(ast.Tuple(elts=call.args[:1])) == ["DJANGO_SETTINGS_MODULE"]
                    and len(call.args) == 2
                ):
                    named = self.source.modules.get(self.source.text(module, call.args[1]) or "")
                    if named is not None and self.source.assigned(named, "ROOT_URLCONF"):
                        return named
        for module in self.source.modules.values():
            if self.source.assigned(module, "ROOT_URLCONF"):
                return module
        return None

    def parts(self) -> list[str]:
        """Return the packages that the settings install as apps."""
        found: list[str] = []
        installed = self.source.bound_items(self.settings, "INSTALLED_APPS") if self.settings else ()
        for module, item in installed:
            name = self.source.text(module, item) or ""
            # An app is named by its package, or by a class of its configuration in one of its modules.
            while name and not (name in self.source.modules and self.source.modules[name].is_package):
                name = name.rpartition(".")[0]
            if name and name not in found:
                found.append(name)
        return found

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        if self.settings is not None:
            value = self.source.assigned(self.settings, "ROOT_URLCONF")
            name = self.source.text(*value) if value else None
            yield from self.configured(self.source.modules.get(name or ""), "", 0)

    def configured(self, module: Module | None, prefix: str, depth: int) -> Iterator[Route]:
        """Yield the routes of a URL configuration."""
        if module is not None and depth < DEEPEST:
            for home, item in self.source.bound_items(module, "urlpatterns"):
                yield from self.pattern(home, item, prefix, depth)

    def listed(self, module: Module, node: ast.expr, prefix: str, depth: int) -> Iterator[Route]:
        """Yield the routes of a list of patterns."""
        if isinstance(node, ast.Call):
            yield from self.pattern(module, node, prefix, depth)
        elif isinstance(node, ast.Attribute) and node.attr == "urls":
            yield from self.router(module, node.value, prefix)
        else:
            for home, item in self.source.items(module, node):
                yield from self.pattern(home, item, prefix, depth)

    def pattern(self, module: Module, node: ast.expr, prefix: str, depth: int) -> Iterator[Route]:
        """Yield the routes of one pattern."""
        if depth > DEEPEST:
            return
        if isinstance(node, ast.Attribute) and node.attr == "urls":
            yield from self.router(module, node.value, prefix)
            return
        if not isinstance(node, ast.Call):
            # A pattern, or a list of them, that is bound to a name.
            value = self.source.value(module, node)
            if value is not None and isinstance(value[1], ast.Call | ast.List):
                yield from self.listed(*value, prefix, depth + 1)
            return
        kind = module.dotted(node.func)
        last = kind.rpartition(".")[2]
        if last == "i18n_patterns":
            yield from self.translated(module, node, prefix, depth)
        elif last == "format_suffix_patterns" and node.args:
            yield from self.listed(module, node.args[0], prefix, depth + 1)
        elif kind in (*PATHS, *REGEX_PATHS):
            is_regex = kind in REGEX_PATHS
            template = self.source.text(module, argument(node, "regex" if is_regex else "route", 0))
            view = argument(node, "view", 1)
            if view is None or any(own in ast.unparse(view) for own in FRAMEWORKS_OWN):
                return
            # A prefix that nobody can tell is usually empty.
            template = from_regex(template or "") if is_regex else template or ""
            yield from self.viewed(module, view, joined(prefix + template), depth)

    def translated(self, module: Module, call: ast.Call, prefix: str, depth: int) -> Iterator[Route]:
        """Yield the routes below the prefix of the default language."""
        language = self.source.assigned(self.settings, "LANGUAGE_CODE") if self.settings else None
        code = (self.source.text(*language) if language else None) or "en-us"
        is_default_bare = argument(call, "prefix_default_language")
        is_bare = isinstance(is_default_bare, ast.Constant) and is_default_bare.value is False
        below = prefix if is_bare else joined(prefix + f"{code}/")
        for argued in call.args:
            node = argued.value if isinstance(argued, ast.Starred) else argued
            yield from self.listed(module, node, below, depth + 1)

    def viewed(self, module: Module, view: ast.expr, path: str, depth: int) -> Iterator[Route]:
        """Yield the routes of a view, or of the patterns that are included in its place."""
        if isinstance(view, ast.Call) and module.dotted(view.func).rpartition(".")[2] == "include":
            target = argument(view, "arg", 0)
            if isinstance(target, ast.Tuple) and target.elts:
                target = target.elts[0]
            name = self.source.text(module, target) if not isinstance(target, ast.Attribute) else None
            if name is not None:
                yield from self.configured(self.source.modules.get(name), path, depth + 1)
            elif target is not None and (imported := self.source.modules.get(module.dotted(target))):
                yield from self.configured(imported, path, depth + 1)
            elif target is not None:
                yield from self.listed(module, target, path, depth + 1)
        elif isinstance(view, ast.Attribute) and view.attr == "urls":
            yield from self.router(module, view.value, path)
        else:
            for method in self.methods(module, view):
                yield Route.of(method, path)

    def methods(self, module: Module, view: ast.expr) -> list[str]:
        """Return the methods that a view answers."""
        if (
            isinstance(view, ast.Call)
            and isinstance(view.func, ast.Attribute)
            and view.func.attr == "as_view"
        ):
            if view.args and isinstance(view.args[0], ast.Dict):
                # A view set with its actions: {"get": "list"}.
                return [
                    text.upper() for text in texts_of(ast.Tuple(elts=[k for k in view.args[0].keys if k]))
                ]
            name = module.dotted(view.func.value)
            return class_methods(self.source, name) or list(
                GENERIC_VIEWS.get(name.rpartition(".")[2], ("GET",))
            )
        if isinstance(view, ast.Call) and view.args:
            # A decorator: login_required(view).
            return self.methods(module, view.args[0])
        found = self.source.function_of(module.dotted(view))
        return function_methods(*found) if found else ["GET"]

    def router(self, module: Module, node: ast.expr, prefix: str) -> Iterator[Route]:
        """Yield the routes that a router of Django REST framework makes of the view sets registered with it."""
        found = self.source.find(module.dotted(node))
        if found is None:
            return
        home, name = found
        before, slash = self.nested(home, name, 0)
        for call in home.calls():
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "register"):
                continue
            if home.dotted(call.func.value) == f"{home.name}.{name}":
                template = self.source.text(home, argument(call, "prefix", 0))
                view_set = argument(call, "viewset", 1)
                if template is not None and view_set is not None:
                    path = joined(prefix + before + from_regex(template))
                    yield from self.view_set(home.dotted(view_set), path, slash)

    def nested(self, module: Module, name: str, depth: int) -> tuple[str, str]:
        """Return the path before the routes of a router, and the slash after them."""
        value = self.source.assigned(module, name)
        if value is None or not isinstance(value[1], ast.Call) or depth > DEEPEST:
            return "", "/"
        call = value[1]
        trailing = argument(call, "trailing_slash")
        slash = "" if isinstance(trailing, ast.Constant) and trailing.value is False else "/"
        lookup = self.source.text(module, argument(call, "lookup"))
        parent = argument(call, "parent_router", 0)
        if lookup is None or parent is None:
            return "", slash
        # A router of drf-nested-routers.
        found = self.source.find(module.dotted(parent))
        before = self.nested(*found, depth + 1)[0] if found else ""
        prefix = self.source.text(module, argument(call, "parent_prefix", 1)) or ""
        return f"{before}{prefix}/{{{lookup}_pk}}/", slash

    def view_set(self, name: str, path: str, slash: str) -> Iterator[Route]:
        """Yield the routes of a view set."""
        actions: list[str] = []
        extra: list[tuple[list[str], bool, str]] = []
        key = "pk"
        for module, definition in self.source.lineage(name):
            for base in definition.bases:
                actions += VIEW_SETS.get(module.dotted(base).rpartition(".")[2], ())
            for statement in definition.body:
                if isinstance(statement, Function):
                    actions += [statement.name] if statement.name in ACTIONS else []
                    extra += extra_actions(self.source, module, statement)
                elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    if statement.targets[0].id == "lookup_field":
                        key = text_of(statement.value) or key
        one = f"{path}/{{{key}}}"
        for action in dict.fromkeys(actions or UNKNOWN_ACTIONS):
            method, is_of_one = ACTIONS[action]
            yield Route.of(method, (one if is_of_one else path) + slash)
        for methods, is_of_one, below in extra:
            for method in methods:
                yield Route.of(method, f"{one if is_of_one else path}/{below}{slash}")


def extra_actions(
    source: Source, module: Module, function: Function
) -> Iterator[tuple[list[str], bool, str]]:
    """Yield the actions that decorators add to a view set: methods, whether of one object, and the path."""
    for call in function.decorator_list:
        if isinstance(call, ast.Call) and module.dotted(call.func).rpartition(".")[2] == "action":
            detail = argument(call, "detail", 1)
            path = source.text(module, argument(call, "url_path")) or function.name
            is_of_one = isinstance(detail, ast.Constant) and detail.value is True
            yield texts_of(argument(call, "methods", 0)) or ["get"], is_of_one, from_regex(path)


def class_methods(source: Source, name: str) -> list[str]:
    """Return the methods that a class of views answers: those that it defines, and those of its generic bases."""
    found: list[str] = []
    for module, definition in source.lineage(name):
        defined = {statement.name for statement in definition.body if isinstance(statement, Function)}
        found += [method.upper() for method in HTTP_METHODS if method in defined]
        generic = (GENERIC_VIEWS.get(module.dotted(base).rpartition(".")[2], ()) for base in definition.bases)
        found += chain.from_iterable(generic)
    return list(dict.fromkeys(found))


def function_methods(module: Module, function: Function) -> list[str]:
    """Return the methods that a function answers, as far as its decorators say."""
    for decorator in function.decorator_list:
        name = module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(
            "."
        )[2]
        if name == "require_POST":
            return ["POST"]
        if name in ("require_http_methods", "api_view") and isinstance(decorator, ast.Call):
            return texts_of(argument(decorator, "request_method_list", 0)) or ["GET"]
    return ["GET"]

"""The modules of an app as parsed files, with what their names stand for."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NOT_SEARCHED = {"tests", "test", "node_modules", "build", "dist", "docs", "venv", "env", "site-packages"}
"""Directories that hold no code of the app itself."""
NO_PACKAGES = {"alembic", "benchmarks", "bin", "docker", "examples", "migrations", "scripts", "tools"}
"""Directories that hold code which is no part of the app unless they are packages with ``__init__.py``."""
NOT_THE_APP = {"setup", "conftest", "noxfile", "tasks_test", "gunicorn_conf", "gunicorn_config"}
"""Files beside the packages that are no modules of the app."""
PROJECT_FILES = ("manage.py", "pyproject.toml", "requirements.txt", "setup.py", "setup.cfg", "Pipfile")
"""Files that mark the directory of a project within a larger repository."""
MAX_FILE_BYTES = 1_000_000
"""Chosen: no person writes a larger source file."""
DEEPEST = 8
"""Chosen: names are seldom defined by more than three others; a circle ends."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """A file: its syntax tree, and the dotted names that its imports bind."""

    name: str
    is_package: bool
    tree: ast.Module
    lines: int
    directory: str
    """The directory that its top-level package lies in: empty, ``src``, or that of a project within the repository."""
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    """The modules from which it imports every name."""
    nodes: list[ast.AST] = field(default_factory=list)
    """All nodes of the tree."""

    def dotted(self, node: ast.expr | None) -> str:
        """Return the full dotted name of an expression, or an empty text if it has no name."""
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, f"{self.name}.{node.id}")
        return ""

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the module that a ``from … import`` names."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        base = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*base, node.module] if node.module else base)

    def statements(self) -> Iterator[ast.stmt]:
        """Yield the statements that run at import, also those in ``if``, ``try`` and ``with``, but no debugging."""
        waiting: list[ast.stmt] = list(self.tree.body)
        while waiting:
            statement = waiting.pop(0)
            if isinstance(statement, ast.If):
                test = ast.unparse(statement.test)
                if "__name__" in test:
                    continue
                if test in ("DEBUG", "settings.DEBUG"):
                    waiting[:0] = statement.orelse
                    continue
            yield statement
            if isinstance(statement, ast.If | ast.With | ast.Try):
                waiting[:0] = [
                    child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)
                ]

    def calls(self) -> Iterator[ast.Call]:
        """Yield all calls."""
        return (node for node in self.nodes if isinstance(node, ast.Call))


@dataclass
class Source:
    """All modules below a directory, by name."""

    root: Path
    modules: dict[str, Module]
    fields: dict[str, set[str]] = field(default_factory=dict)
    """The texts that fields of classes begin with, by the fields' names: the settings of an app."""
    settings: Module | None = None
    """The settings module of a Django project."""

    @classmethod
    def read(cls, root: Path) -> Source:
        """Parse the packages and modules in a directory, in its ``src``, or in the projects that it holds."""
        modules: dict[str, Module] = {}
        for directory in ["", "src", *projects(root, ""), *projects(root, "src")]:
            top = root / directory
            for path in sorted(top.glob("*.py")):
                if path.stem not in NOT_THE_APP and not path.stem.startswith("test_"):
                    add(modules, path, path.stem, False, directory)
            for package in packages(top):
                add_package(modules, package, directory)
        source = cls(root, modules)
        for module in modules.values():
            for node in module.nodes:
                for name, text in text_fields(node) if isinstance(node, ast.ClassDef) else ():
                    source.fields.setdefault(name, set()).add(text)
        return source

    def find(self, dotted: str) -> tuple[Module, str] | None:
        """Return the module that defines a dotted name, and the name within it."""
        for _ in range(10):
            owner, _, name = dotted.rpartition(".")
            module = self.modules.get(owner)
            if module is None:
                return None
            # A package may only import the name from one of its modules.
            further = module.imports.get(name)
            if further is None or further == dotted:
                return module, name
            dotted = further
        return None

    def imported(self, module: Module) -> set[str]:
        """Return the modules that a module imports, anywhere in it."""
        found = set()
        for origin in [*module.imports.values(), *module.stars]:
            # The last part may be a name in a module.
            for name in (origin, origin.rpartition(".")[0]):
                if name in self.modules:
                    found.add(name)
                    break
        return found

    def value(self, module: Module, node: ast.expr | None) -> tuple[Module, ast.expr] | None:
        """Return the expression that a name stands for at import, with its module; others stand for themselves."""
        for _ in range(DEEPEST):
            if not isinstance(node, ast.Name | ast.Attribute):
                break
            found = self.find(module.dotted(node))
            value = self.assigned(*found) if found else None
            if value is None:
                return None
            module, node = value
        return (module, node) if node is not None else None

    def assigned(self, module: Module, name: str, depth: int = 0) -> tuple[Module, ast.expr] | None:
        """Return the last value that a module gives a name at import, itself or by importing every name."""
        found = None
        for statement in module.statements():
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                if statement.value is not None and any(
                    isinstance(target, ast.Name) and target.id == name for target in targets
                ):
                    found = module, statement.value
        if found is None and depth < DEEPEST:
            for star in module.stars:
                other = self.modules.get(star)
                found = found or (self.assigned(other, name, depth + 1) if other else None)
        return found

    def text(self, module: Module, node: ast.expr | None, depth: int = 0) -> str | None:
        """Return the text of an expression, as far as constants, defaults and settings say it."""
        if node is None or depth > DEEPEST:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            inner = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
            return self.joined_texts(module, inner, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.joined_texts(module, [node.left, node.right], depth)
        if isinstance(node, ast.Call):
            # A translated text, a text made of a path, or a setting of the environment with its default.
            name = module.dotted(node.func).rpartition(".")[2]
            if (
                name in ("_", "gettext_lazy", "pgettext_lazy", "str", "rstrip", "lstrip", "strip")
                and node.args
            ):
                return self.text(module, node.args[-1], depth + 1)
            default = argument(node, "default", 1 if name in ("get", "getenv", "env", "config") else None)
            return self.text(module, default, depth + 1)
        if isinstance(node, ast.Name | ast.Attribute):
            value = self.value(module, node)
            if value is not None and not isinstance(value[1], ast.Name | ast.Attribute):
                return self.text(*value, depth + 1)
            if isinstance(node, ast.Attribute) and module.dotted(node.value) == "django.conf.settings":
                setting = self.assigned(self.settings, node.attr) if self.settings else None
                return self.text(*setting, depth + 1) if setting else None
            texts = self.fields.get(node.attr, set()) if isinstance(node, ast.Attribute) else set()
            return next(iter(texts)) if len(texts) == 1 else None
        return None

    def joined_texts(self, module: Module, nodes: list[ast.expr], depth: int) -> str | None:
        """Return several texts as one. A part that nobody can tell is a prefix that is usually empty."""
        texts = [self.text(module, node, depth + 1) for node in nodes]
        return "".join(filter(None, texts)) or None

    def items(
        self, module: Module, node: ast.expr | None, depth: int = 0
    ) -> Iterator[tuple[Module, ast.expr]]:
        """Yield the items of lists that are written out, added up, or bound to a name, each with its module.

        What is no such list is an item itself.
        """
        if node is None or depth > DEEPEST:
            return
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for item in node.elts:
                if isinstance(item, ast.Starred):
                    yield from self.items(module, item.value, depth + 1)
                else:
                    yield module, item
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield from self.items(module, node.left, depth + 1)
            yield from self.items(module, node.right, depth + 1)
        else:
            is_name = isinstance(node, ast.Name | ast.Attribute)
            found = self.find(module.dotted(node)) if is_name else None
            bound = list(self.bound_items(*found, depth + 1)) if found else []
            yield from bound or [(module, node)]

    def bound_items(self, module: Module, name: str, depth: int = 0) -> Iterator[tuple[Module, ast.expr]]:
        """Yield the items of the list that a module binds to a name, those that it adds later included."""
        if depth > DEEPEST:
            return
        own: list[tuple[Module, ast.expr]] = []
        is_assigned = False
        for statement in module.statements():
            value: ast.expr | None = None
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    value, is_assigned = statement.value, True
            elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                value = statement.value if statement.target.id == name else None
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                value = added(statement.value, name)
            own += self.items(module, value, depth + 1)
        for star in module.stars if not is_assigned else ():
            if star in self.modules:
                yield from self.bound_items(self.modules[star], name, depth + 1)
        yield from own

    def class_of(self, dotted: str) -> tuple[Module, ast.ClassDef] | None:
        """Return the class of a dotted name, with its module."""
        found = self.find(dotted)
        if found is not None:
            for definition in found[0].statements():
                if isinstance(definition, ast.ClassDef) and definition.name == found[1]:
                    return found[0], definition
        return None

    def lineage(self, dotted: str, depth: int = 0) -> Iterator[tuple[Module, ast.ClassDef]]:
        """Yield a class of the app and its bases in the app."""
        found = self.class_of(dotted)
        if found is not None and depth < DEEPEST:
            yield found
            for base in found[1].bases:
                yield from self.lineage(found[0].dotted(base), depth + 1)

    def function_of(self, dotted: str) -> tuple[Module, Function] | None:
        """Return the function of a dotted name, with its module."""
        found = self.find(dotted)
        if found is not None:
            for definition in found[0].statements():
                if isinstance(definition, Function) and definition.name == found[1]:
                    return found[0], definition
        return None


def added(call: ast.Call, name: str) -> ast.expr | None:
    """Return the list that a call adds to the list of a name."""
    function = call.func
    if (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == name
    ):
        if function.attr == "extend" and call.args:
            return call.args[0]
        if function.attr in ("append", "insert") and call.args:
            return ast.List(elts=[call.args[-1]])
    return None


def text_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class that begin with a text."""
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            value = statement.value
            if isinstance(value, ast.Call):
                value = argument(value, "default", 0)
            text = text_of(value)
            for target in targets if text is not None else ():
                if isinstance(target, ast.Name):
                    yield target.id, text or ""


def projects(root: Path, below: str) -> list[str]:
    """Return the directories of projects in a directory: they have its usual files, or only packages."""
    top = root / below
    return [
        path.relative_to(root).as_posix()
        for path in (sorted(top.iterdir()) if top.is_dir() else ())
        if path.is_dir()
        and path.name not in NOT_SEARCHED | NO_PACKAGES | {"src"}
        and not path.name.startswith(".")
        and not (path / "__init__.py").is_file()
        and (
            any((path / name).is_file() for name in PROJECT_FILES)
            or (not any(path.glob("*.py")) and any(path.glob("*/__init__.py")))
        )
    ]


def packages(top: Path) -> list[Path]:
    """Return the packages in a directory; those without ``__init__.py`` too, unless they are known to hold scripts."""
    found = []
    for path in sorted(top.iterdir()) if top.is_dir() else ():
        if not path.name.isidentifier() or path.name in NOT_SEARCHED or not path.is_dir():
            continue
        is_project = any((path / name).is_file() for name in PROJECT_FILES)
        is_plain = path.name not in NO_PACKAGES | {"src"} and not is_project and any(path.glob("*.py"))
        if (path / "__init__.py").is_file() or is_plain:
            found.append(path)
    return found


def add_package(modules: dict[str, Module], package: Path, top: str) -> None:
    """Parse all modules of a package."""
    for directory, names, files in os.walk(package):
        here = Path(directory)
        names[:] = sorted(
            name
            for name in names
            if name.isidentifier()
            and name not in NOT_SEARCHED
            and ((here / name / "__init__.py").is_file() or name not in NO_PACKAGES)
        )
        parts = [package.name, *here.relative_to(package).parts]
        for file in sorted(files):
            if file.endswith(".py") and not file.startswith("test_"):
                is_package = file == "__init__.py"
                name = ".".join(parts if is_package else [*parts, file[:-3]])
                add(modules, here / file, name, is_package, top)


def add(modules: dict[str, Module], path: Path, name: str, is_package: bool, top: str) -> None:
    """Parse a file. One that cannot be parsed is left out."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return
        text = path.read_bytes()
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    module = Module(name, is_package, tree, text.count(b"\n"), top, nodes=list(ast.walk(tree)))
    for node in module.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                module.imports[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            origin = module.absolute(node)
            for alias in node.names:
                if alias.name == "*":
                    module.stars.append(origin)
                else:
                    module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}"
    modules.setdefault(name, module)


def text_of(node: ast.expr | None) -> str | None:
    """Return the text that an expression writes out, or None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def texts_of(node: ast.expr | None) -> list[str]:
    """Return the texts of a list, tuple or set that is written out; a single text is a list of its own."""
    items = (
        node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else [node] if node is not None else []
    )
    return [text for text in map(text_of, items) if text is not None]


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return an argument of a call, by its name or else its position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        return call.args[position]
    return None

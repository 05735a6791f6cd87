"""The modules of an app as parsed files, with what their names stand for."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NOT_SEARCHED = {"tests", "test", "node_modules", "build", "dist", "docs", "venv", "env", "site-packages"}
"""Directories that hold no code of the app itself."""
NOT_THE_APP = {"setup", "conftest", "noxfile", "tasks_test", "manage", "gunicorn_conf", "gunicorn_config"}
"""Files beside the packages that are no modules of the app."""
MAX_FILE_BYTES = 1_000_000
"""Chosen: no person writes a larger source file."""


@dataclass
class Module:
    """A file: its syntax tree, and the dotted names that its imports bind."""

    name: str
    is_package: bool
    tree: ast.Module
    lines: int
    directory: str
    """The directory that its top-level package lies in: empty, or ``src``."""
    imports: dict[str, str] = field(default_factory=dict)

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
        """Yield the statements that run at import, those in ``if``, ``try`` and ``with`` included."""
        waiting: list[ast.stmt] = list(self.tree.body)
        while waiting:
            statement = waiting.pop(0)
            yield statement
            if isinstance(statement, ast.If | ast.With | ast.Try):
                waiting[:0] = [
                    child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)
                ]


@dataclass
class Source:
    """All modules below a directory, by name."""

    root: Path
    modules: dict[str, Module]

    @classmethod
    def read(cls, root: Path) -> Source:
        """Parse the packages and modules in a directory, or in its ``src``."""
        modules: dict[str, Module] = {}
        for directory in ("", "src"):
            top = root / directory
            for path in sorted(top.glob("*.py")):
                if path.stem not in NOT_THE_APP and not path.stem.startswith("test_"):
                    add(modules, path, path.stem, False, directory)
            for package in sorted(path.parent for path in top.glob("*/__init__.py")):
                if package.name not in NOT_SEARCHED:
                    add_package(modules, package, directory)
        return cls(root, modules)

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


def add_package(modules: dict[str, Module], package: Path, top: str) -> None:
    """Parse all modules of a package."""
    for directory, names, files in os.walk(package):
        here = Path(directory)
        names[:] = sorted(
            name for name in names if name not in NOT_SEARCHED and (here / name / "__init__.py").is_file()
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
    module = Module(name, is_package, tree, text.count(b"\n"), top)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                module.imports[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            origin = module.absolute(node)
            for alias in node.names:
                module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}"
    modules[name] = module


def text_of(node: ast.expr | None) -> str | None:
    """Return the text that an expression writes out, or None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def texts_of(node: ast.expr | None) -> list[str]:
    """Return the texts of a list, tuple or set that is written out."""
    items = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []
    return [text for text in map(text_of, items) if text is not None]


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return an argument of a call, by its name or else its position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        return call.args[position]
    return None

"""Makes an example of a JSON body from the class that a handler takes."""

from __future__ import annotations

import ast

from splitcost.survey.source import Module, Source

PLAIN: dict[str, object] = {
    "str": "text",
    "int": 1,
    "float": 1.0,
    "bool": True,
    "Decimal": "1.00",
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:00:00",
    "UUID": "00000000-0000-4000-8000-000000000000",
    "EmailStr": "a@example.com",
}
"""Examples of the usual types of fields, by the last part of their name."""
DEEPEST = 4
"""Chosen: an example is for a person to edit; a circle of classes ends."""


def example_body(
    source: Source, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, path: str
) -> object:
    """Return an example of the first parameter whose class has fields of its own, or None."""
    # A parameter with a default is optional, or is made by the framework.
    given = len(function.args.args) - len(function.args.defaults)
    for parameter in [*function.args.args[:given], *function.args.kwonlyargs]:
        if f"{{{parameter.arg}" in path or parameter.annotation is None:
            continue
        fields = class_fields(source, module, parameter.annotation, 0)
        if fields is not None:
            return fields
    return None


def class_fields(source: Source, module: Module, node: ast.expr, depth: int) -> dict[str, object] | None:
    """Return an example of each field of a class of the app that has no default, or None if it is no such class."""
    found = source.find(module.dotted(node))
    if found is None or depth > DEEPEST:
        return None
    home, name = found
    for definition in home.tree.body:
        if isinstance(definition, ast.ClassDef) and definition.name == name:
            return {
                statement.target.id: example(source, home, statement.annotation, depth)
                for statement in definition.body
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
                if statement.value is None
            } or None
    return None


def example(source: Source, module: Module, annotation: ast.expr, depth: int) -> object:
    """Return an example of a value of a type."""
    if isinstance(annotation, ast.Subscript):
        outer = module.dotted(annotation.value).rpartition(".")[2]
        inner = annotation.slice.elts[0] if isinstance(annotation.slice, ast.Tuple) else annotation.slice
        if outer in ("list", "List", "set", "Set", "tuple", "Tuple", "Sequence"):
            return [example(source, module, inner, depth + 1)]
        if outer in ("dict", "Dict", "Mapping"):
            return {}
        return example(source, module, inner, depth + 1)
    if isinstance(annotation, ast.BinOp):
        return example(source, module, annotation.left, depth + 1)
    fields = class_fields(source, module, annotation, depth + 1)
    if fields is not None:
        return fields
    return PLAIN.get(ast.unparse(annotation).rpartition(".")[2], "FILL IN")

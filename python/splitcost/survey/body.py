"""Reads the parameters of a handler: the query that it requires, and an example of its JSON body."""

from __future__ import annotations

import ast

from splitcost.survey.source import Function, Module, Source, text_fields

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


def example_body(source: Source, module: Module, function: Function, path: str) -> object:
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


def required_query(
    source: Source, module: Module, function: Function, path: str
) -> dict[str, str | list[str]]:
    """Return the parameters of the query that FastAPI or Litestar requires, with types or possible values."""
    found: dict[str, str | list[str]] = {}
    given = len(function.args.args) - len(function.args.defaults)
    bare = [each.arg for each in function.args.args[:given]]
    bare += [
        each.arg
        for each, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if default is None
    ]
    for parameter in [*function.args.args, *function.args.kwonlyargs]:
        node, is_query = parameter.annotation, False
        if isinstance(node, ast.Subscript) and module.dotted(node.value).endswith(".Annotated"):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            made = [module.dotted(part.func) for part in parts if isinstance(part, ast.Call)]
            if any(not name.endswith(".Query") for name in made):
                # A dependency, a header or a body.
                continue
            node, is_query = parts[0], True
        if parameter.arg not in bare or f"{{{parameter.arg}" in path or node is None:
            continue
        kind = query_type(source, module, node)
        if kind is not None or is_query:
            found[parameter.arg] = kind or "str"
    return found


def query_type(source: Source, module: Module, node: ast.expr) -> str | list[str] | None:
    """Return the type of a value in a query, or the values that it may have; None where it is no plain value."""
    if isinstance(node, ast.Subscript) and module.dotted(node.value).endswith(".Literal"):
        return [str(each.value) for each in ast.walk(node.slice) if isinstance(each, ast.Constant)]
    name = ast.unparse(node).rpartition(".")[2]
    if name in PLAIN:
        return "int" if name == "int" else "str"
    found = source.class_of(module.dotted(node))
    if found is not None and any("Enum" in ast.unparse(base) for base in found[1].bases):
        return [text for _, text in text_fields(found[1])] or None
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

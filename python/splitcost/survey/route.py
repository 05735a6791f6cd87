"""A route, and the templates of paths that the frameworks write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NO_TYPES: Mapping[str, str] = {}
NO_QUERY: Mapping[str, str | list[str]] = {}
NAME_FIRST = {"bottle", "sanic"}
"""The frameworks that write ``<name:type>`` where others write ``<type:name>``."""
INT_PATTERNS = (r"\d", "[0-9]", r"[\d]")
"""The beginnings of the patterns of whole numbers."""


@dataclass(frozen=True)
class Route:
    """A route with placeholders as ``{name}``, in its path and in its query."""

    method: str
    path: str
    params: dict[str, str | list[str]] = field(default_factory=dict)
    """Per placeholder: `int`, `str`, or the values that it may have."""
    body: object = None
    """An example of the JSON body, made from the types that the handler names."""

    @classmethod
    def of(
        cls,
        method: str,
        template: str,
        body: object = None,
        types: Mapping[str, str] = NO_TYPES,
        framework: str = "",
        required: Mapping[str, str | list[str]] = NO_QUERY,
    ) -> Route:
        """Make a route of the template of any framework."""
        params: dict[str, str | list[str]] = {}

        def placeholder(match: re.Match[str]) -> str:
            inner = match.group(1) or match.group(2) or ""
            first, _, second = inner.partition(":")
            # Flask and Django write <int:id>; Starlette and Litestar {id:int}; Pyramid {id:regex}; Bottle <id:int>.
            is_kind_first = match.group(1) and second and framework not in NAME_FIRST
            kind, name = (first, second) if is_kind_first else (second, first)
            name = re.sub(r"\W", "_", name.partition("(")[0].strip("*"))
            kind = (kind or types.get(name, "")).removeprefix("re:")
            params[name] = "int" if kind.startswith(("int", *INT_PATTERNS)) else "str"
            return f"{{{name}}}"

        if framework == "bottle":
            # The old notation: ``:name`` and ``:name#pattern#``.
            template = re.sub(r"(?<=/):(\w+)(?:#[^#]*#)?", r"<\1>", template)
        elif framework == "pyramid":
            template = re.sub(r"\*(\w+)$", r"{\1}", template)
        path = re.sub(r"<([^<>]+)>|\{((?:[^{}]|\{[^{}]*\})+)\}", placeholder, template)
        query = "&".join(f"{name}={{{name}}}" for name in required)
        path = joined(path) + (f"?{query}" if query else "")
        return cls(method.upper(), path, {**params, **required}, body)


def joined(*parts: str) -> str:
    """Return the path that parts make, with one slash between them."""
    return re.sub(r"/{2,}", "/", "/" + "/".join(filter(None, parts)))


def from_regex(pattern: str) -> str:
    """Return the template of a regular expression that matches a path, with placeholders as ``{name:pattern}``."""
    text, at, unnamed = "", 0, 0
    while at < len(pattern):
        char = pattern[at]
        if char == "(":
            end = closing(pattern, at)
            group, after = pattern[at + 1 : end], pattern[end + 1 : end + 2]
            at = end + 1 + (after in ("?", "*", "+"))
            named = re.match(r"\?P<(\w+)>(.*)", group, re.DOTALL)
            if named is None and group.startswith("?"):
                # A group that may be missing is left out; of alternatives, the first is taken.
                inner = group[2:] if group.startswith("?:") else ""
                text += "" if after in ("?", "*") else from_regex(inner.partition("|")[0])
                continue
            name, inner = (named.group(1), named.group(2)) if named else (f"value{unnamed}", group)
            unnamed += named is None
            text += f"{{{name}:{'int' if inner.startswith(INT_PATTERNS) else 'str'}}}"
            continue
        if char == "\\":
            escaped = pattern[at + 1 : at + 2]
            # A class of characters without a group has no name; the ends of a text are no characters.
            text += "" if escaped.isalnum() else escaped
            at += 2
            continue
        if char in "[{":
            # A class of characters without a group, or a number of repetitions.
            end = pattern.find("]" if char == "[" else "}", at + 2)
            at = len(pattern) if end < 0 else end + 1
            continue
        is_anything = char == "." and pattern[at + 1 : at + 2] in ("*", "+")
        if char not in "^$?*+" and not is_anything:
            text += char
        at += 1
    return text


def closing(pattern: str, start: int) -> int:
    """Return the position of the parenthesis that closes the one at a position."""
    depth, at, in_class = 0, start, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return at
        at += 1
    return len(pattern)

"""pydantic: a model made out of the sample's shape, as a team would write it down.

A dictionary becomes a model (fields that some lack are optional, and stay away), or ``dict[K, V]`` where its
keys are data; every other value keeps its own type: a ``datetime`` or a ``Decimal`` comes back as one.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec, Ready, Refused
from splitcost.stacks.codecs._shape import Shape, shape_of


def make(sample: Any) -> Codec:
    """A codec for values of the sample's shape."""
    import pydantic

    try:
        adapter = pydantic.TypeAdapter(_annotation(shape_of(sample)))
    except pydantic.errors.PydanticSchemaGenerationError as error:
        raise Refused("", str(error).splitlines()[0]) from error
    validate, to_python = adapter.validate_python, adapter.dump_python
    load = adapter.validate_json
    dump = functools.partial(adapter.dump_json, by_alias=True, exclude_unset=True)

    def encode(value: Any) -> bytes:
        return dump(validate(value))

    def decode(data: bytes) -> Any:
        return to_python(load(data), by_alias=True, exclude_unset=True)

    return Codec("application/json", encode, decode, Ready(validate, dump, load))


def _annotation(shape: Shape) -> Any:
    kinds: list[Any] = [None] if shape.null else []
    kinds += sorted(shape.leaves, key=lambda kind: kind.__name__)
    for kind in sorted(shape.sequences, key=lambda kind: kind.__name__):
        element = _annotation(shape.elements) if shape.elements else Any
        kinds.append(tuple[element, ...] if kind is tuple else kind[element])  # type: ignore[valid-type,index]
    kinds += shape.objects
    if shape.fields is not None:
        kinds.append(_map(shape) if shape.is_map() else _model(shape))
    return functools.reduce(operator.or_, map(_as_type, kinds)) if kinds else Any


def _as_type(kind: Any) -> Any:
    return type(None) if kind is None else kind


def _map(shape: Shape) -> Any:
    assert shape.fields is not None
    kinds = sorted({type(key) for key in shape.fields}, key=lambda kind: kind.__name__)
    keys = functools.reduce(operator.or_, kinds)
    return dict[keys, _annotation(shape.values())]  # type: ignore[valid-type,misc]


def _model(shape: Shape) -> Any:
    import pydantic

    # A key may be any text, a field's name may not: the alias is the key.
    fields: dict[str, Any] = {}
    for i, (key, field) in enumerate((shape.fields or {}).items()):
        default = None if shape.is_optional(key) else ...
        fields[f"f{i}"] = (_annotation(field), pydantic.Field(default, alias=key))
    return pydantic.create_model(f"Model{shape.path}", **fields)


PARTS = {
    "pydantic": CodecPart(
        summary="pydantic: a model made out of the sample's shape, as a team would write it down.",
        needs=("pydantic",),
        make=make,
        has_schema=True,
    )
}

"""protobuf: a ``.proto`` generated out of the sample's shape, and message classes made of it at run time.

| value | protobuf |
|---|---|
| dictionary, dataclass, pydantic model | a message; a key that is no field's name is spelled as one |
| dictionary whose keys are data | ``map<string, V>``, ``map<int64, V>`` or ``map<bool, V>`` |
| list, tuple, set | ``repeated``; inside another, a message around it |
| int | ``int64``; ``uint64`` where one is above its range |
| float, or int beside float | ``double`` |
| str, bytes, bool | ``string``, ``bytes``, ``bool`` |
| datetime, timedelta | ``google.protobuf.Timestamp``, ``Duration`` |
| None, or a key that some dictionaries lack | ``optional`` |
| both of these, values of several types, None in a list | a message with a ``oneof`` |

What is not in the table is refused, with its path. A value that is no dictionary is the field ``value`` of a
message. ``decode`` makes plain values of the message again; code that works on messages pays only what
``ready`` does.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from splitcost.stacks import CodecPart
from splitcost.stacks.codecs import Codec, Ready, Refused
from splitcost.stacks.codecs._shape import SEQUENCES, Shape, shape_of

_PACKAGE = "splitcost.sample"
_ROOT = "Sample"
_SCALARS = {bool: "bool", int: "int64", float: "double", str: "string", bytes: "bytes"}
_KNOWN = {datetime: "google.protobuf.Timestamp", timedelta: "google.protobuf.Duration"}
_EXACT = 2**53  # Spec: IEEE 754: the integers that a double holds exactly end here.

_MAP_KEYS = ("string", "int64", "bool")
_ABSENT = object()

Convert = Callable[[Any], Any]


class _Type(NamedTuple):
    """The type of a field."""

    name: str = ""
    """A scalar's or a well-known type's; else it is a message's."""
    message: _Message | None = None
    to: Convert | None = None
    """Plain value → argument of a message's constructor; ``None`` if both are the same."""
    back: Convert | None = None
    """Field of a message → plain value; ``None`` if both are the same."""


_NOTHING = _Type("bool")
"""For a place where nothing was ever seen: nothing will be sent."""


class _Field(NamedTuple):
    """A field; its label is ``optional``, ``repeated``, ``oneof``, the type of a map's keys, or empty."""

    name: str
    type: _Type
    label: str


class _Message:
    """One message type: its fields in the order of their numbers, and the types inside it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: list[_Field] = []
        self.nested: list[_Message] = []

    def add(self, name: str, kind: _Type, label: str = "") -> str:
        """A new field; gives the name it got."""
        # protoc wants the names apart in JSON's spelling, too.
        taken = {_camel(field.name) for field in self.fields}
        name = _free(_identifier(name, "f"), lambda name: _camel(name) in taken)
        self.fields.append(_Field(name, kind, label))
        return name

    def inside(self, name: str) -> _Message:
        """A new message type inside this one."""
        words = "".join(part[:1].upper() + part[1:] for part in re.split(r"[\W_]+", name, flags=re.ASCII))
        taken = {self.name, *(message.name for message in self.nested)}
        self.nested.append(_Message(_free(_identifier(words, "M"), taken.__contains__)))
        return self.nested[-1]


def make(sample: Any) -> Codec:
    """A codec for values of the sample's shape."""
    shape = shape_of(sample)
    root = _Message(_ROOT)
    found = _alternatives(shape)
    if len(found) == 1 and shape.fields is not None and not shape.is_map() and not shape.null:
        to, back = _fields(root, shape, dict.get)
    else:
        to, back = _one_field(root, shape)
    kind = _class_of(root)
    parse = kind.FromString

    def convert(value: Any) -> Any:
        return kind(**(to(value) if to is not None else value))

    def encode(value: Any) -> bytes:
        data: bytes = convert(value).SerializeToString()
        return data

    def decode(data: bytes) -> Any:
        return back(parse(data))

    ready = Ready(convert, kind.SerializeToString, parse)
    return Codec("application/x-protobuf", encode, decode, ready, _text(root))


# --- from shapes to types ---


class _Alternative(NamedTuple):
    """One of the types of value that a place has."""

    types: frozenset[type]
    name: str
    build: Callable[[_Message, str], _Type]


def _alternatives(shape: Shape) -> list[_Alternative]:
    """Return the types of value that a place has, except None."""
    leaves = {kind: frozenset({kind}) for kind in sorted(shape.leaves, key=lambda kind: kind.__name__)}
    if leaves.keys() >= {int, float} and -_EXACT <= shape.low and shape.high <= _EXACT:
        del leaves[int]
        leaves[float] = frozenset({int, float})
    found = [
        _Alternative(types, kind.__name__, functools.partial(_leaf, kind, shape))
        for kind, types in leaves.items()
    ]
    if shape.sequences:
        found.append(_Alternative(frozenset(SEQUENCES), "items", lambda o, n: _wrapper(o, n, shape)))
    if shape.fields is not None and shape.is_map():
        found.append(_Alternative(frozenset({dict}), "entries", lambda o, n: _wrapper(o, n, shape)))
    elif shape.fields is not None:
        found.append(_Alternative(frozenset({dict}), "object", lambda o, n: _message(o, n, shape, dict.get)))
    for kind, part in shape.objects.items():
        make_it = lambda o, n, part=part: _message(o, n, part, getattr)  # noqa: E731
        found.append(_Alternative(frozenset({kind}), kind.__name__, make_it))
    return found


def _single(owner: _Message, name: str, shape: Shape, *, null: bool) -> _Type:
    """The type of a place that can have no label: an element, a map's value, or one that may be absent."""
    found = _alternatives(shape)
    if null or len(found) > 1:
        return _oneof(owner, name, found, null=null)
    return found[0].build(owner, name) if found else _NOTHING


def _labelled(owner: _Message, name: str, shape: Shape) -> tuple[_Type, str]:
    """The type and label of a place that is never absent: of these only lists and maps have one."""
    found = _alternatives(shape)
    if len(found) != 1 or not (shape.sequences or shape.is_map()) or shape.objects:
        return _single(owner, name, shape, null=False), ""
    if shape.sequences:
        inner = _single(owner, name, shape.elements, null=shape.elements.null) if shape.elements else _NOTHING
        back: Convert = list if inner.back is None else _for_each(inner.back)
        return inner._replace(to=inner.to and _for_each(inner.to), back=back), "repeated"
    keys = {type(key) for key in shape.fields or {}}
    if keys not in ({str}, {int}, {bool}):
        raise Refused(shape.path, f"keys that are {_listed(keys)} have no type in protobuf")
    values = shape.values()
    inner = _single(owner, name, values, null=values.null)
    back = dict if inner.back is None else _for_each_value(inner.back)
    labels: dict[type, str] = {str: "string", int: "int64", bool: "bool"}
    return inner._replace(to=inner.to and _for_each_value(inner.to), back=back), labels[keys.pop()]


def _for_each(convert: Convert) -> Convert:
    return lambda values: [convert(value) for value in values]


def _for_each_value(convert: Convert) -> Convert:
    return lambda value: {key: convert(item) for key, item in value.items()}


def _leaf(kind: type, shape: Shape, _owner: _Message, _name: str) -> _Type:
    if kind is int and not -(2**63) <= shape.low <= shape.high < 2**63:
        if shape.low < 0 or shape.high >= 2**64:
            raise Refused(shape.path, "an int beyond 64 bits has no type in protobuf")
        return _Type("uint64")
    if kind is datetime:
        return _Type(_KNOWN[kind], back=lambda value: value.ToDatetime(tzinfo=UTC))
    if kind is timedelta:
        return _Type(_KNOWN[kind], back=lambda value: value.ToTimedelta())
    if kind not in _SCALARS:
        raise Refused(shape.path, f"{kind.__name__} has no type in protobuf")
    return _Type(_SCALARS[kind])


def _message(owner: _Message, name: str, shape: Shape, get: Any) -> _Type:
    message = owner.inside(name)
    to, back = _fields(message, shape, get)
    return _Type(message=message, to=to, back=back)


def _wrapper(owner: _Message, name: str, shape: Shape) -> _Type:
    """A list or a map where a label cannot be: in a message of its own."""
    message = owner.inside(name)
    pure = Shape(shape.path)
    if shape.sequences:
        pure.sequences, pure.elements = shape.sequences, shape.elements
    else:
        pure.fields, pure.counts, pure.dicts = shape.fields, shape.counts, shape.dicts
    kind, label = _labelled(message, "items", pure)
    to, back, field = kind.to, kind.back, message.add("items", kind, label)
    return _Type(
        message=message,
        to=lambda value: {field: to(value) if to is not None else value},
        back=lambda message: back(getattr(message, field)),  # type: ignore[misc]
    )


def _oneof(owner: _Message, name: str, alternatives: list[_Alternative], *, null: bool) -> _Type:
    message = owner.inside(name)
    writers: dict[type, tuple[str, Convert | None]] = {}
    readers: dict[str, Convert | None] = {}
    absent = message.add("null", _Type("bool"), "oneof") if null else ""
    for alternative in alternatives:
        kind = alternative.build(message, alternative.name)
        field = message.add(f"as_{alternative.name}", kind, "oneof")
        readers[field] = kind.back
        writers |= dict.fromkeys(alternative.types, (field, kind.to))

    def to(value: Any) -> Any:
        if value is None:
            return {absent: True}
        field, convert = writers[type(value)]
        return {field: convert(value) if convert is not None else value}

    def back(message: Any) -> Any:
        field = message.WhichOneof("kind")
        if field == absent:
            return None
        convert = readers[field]
        value = getattr(message, field)
        return convert(value) if convert is not None else value

    return _Type(message=message, to=to, back=back)


def _fields(message: _Message, shape: Shape, get: Any) -> tuple[Convert | None, Convert]:
    """Give a message its fields, and return the two conversions of its values."""
    writers: list[tuple[str, str, Convert | None]] = []
    readers: list[tuple[str, str, Convert | None, bool, bool]] = []
    for key, part in (shape.fields or {}).items():
        may_lack = shape.is_optional(key)
        if may_lack or part.null:
            # Absent can say one thing: there is no such key, or else it is None.
            kind, label = _single(message, key, part, null=part.null and may_lack), "optional"
        else:
            kind, label = _labelled(message, key, part)
        name = message.add(key, kind, label)
        absent_is_none = part.null and not may_lack
        writers.append((key, name, _unless_none(kind.to) if absent_is_none else kind.to))
        readers.append((key, name, kind.back, label == "optional", may_lack))

    def to(value: Any) -> Any:
        out = {}
        for key, name, convert in writers:
            item = get(value, key, _ABSENT)
            if item is not _ABSENT:
                out[name] = convert(item) if convert is not None else item
        return out

    def back(message: Any) -> Any:
        out: dict[str, Any] = {}
        for key, name, convert, optional, may_lack in readers:
            if optional and not message.HasField(name):
                if not may_lack:
                    out[key] = None
                continue
            value = getattr(message, name)
            out[key] = convert(value) if convert is not None else value
        return out

    same = get is dict.get and all(key == name and convert is None for key, name, convert in writers)
    return None if same else to, back


def _unless_none(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: None if value is None else convert(value)


def _one_field(message: _Message, shape: Shape) -> tuple[Convert, Convert]:
    """A message around a value that is no message itself."""
    if shape.null:
        kind, label = _single(message, "value", shape, null=False), "optional"
    else:
        kind, label = _labelled(message, "value", shape)
    convert, restore, name = kind.to, kind.back, message.add("value", kind, label)

    def to(value: Any) -> Any:
        return {name: value if convert is None or value is None else convert(value)}

    def back(message: Any) -> Any:
        if label == "optional" and not message.HasField(name):
            return None
        value = getattr(message, name)
        return restore(value) if restore is not None else value

    return to, back


# --- from types to text and classes ---


def _text(root: _Message) -> str:
    lines = ['syntax = "proto3";', f"package {_PACKAGE};"]
    lines += [f'import "google/protobuf/{name}.proto";' for name in _imports(root)]
    return "\n".join([*lines, "", *_lines(root, ""), ""])


def _imports(root: _Message) -> list[str]:
    used = {field.type.name for message in _every(root) for field in message.fields}
    return sorted(name.rpartition(".")[2].lower() for name in _KNOWN.values() if name in used)


def _every(message: _Message) -> Iterable[_Message]:
    yield message
    for nested in message.nested:
        yield from _every(nested)


def _lines(message: _Message, indent: str) -> list[str]:
    lines = [f"{indent}message {message.name} {{"]
    for nested in message.nested:
        lines += _lines(nested, indent + "  ")
    is_oneof = any(field.label == "oneof" for field in message.fields)
    lines += [f"{indent}  oneof kind {{"] if is_oneof else []
    for number, (name, kind, label) in enumerate(message.fields, 1):
        type_name = kind.message.name if kind.message else kind.name
        if label in _MAP_KEYS:
            type_name = f"map<{label}, {type_name}>"
        elif label in ("optional", "repeated"):
            type_name = f"{label} {type_name}"
        lines.append(f"{indent}  {'  ' if is_oneof else ''}{type_name} {name} = {number};")
    return [*lines, *([f"{indent}  }}"] if is_oneof else []), f"{indent}}}"]


def _class_of(root: _Message) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2

    proto = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sample.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.extend(f"google/protobuf/{name}.proto" for name in _imports(root))

    def set_type(field: Any, kind: _Type, scope: str) -> None:
        if kind.name in _SCALARS.values() or kind.name == "uint64":
            field.type = proto.Type.Value(f"TYPE_{kind.name.upper()}")
        else:
            field.type = proto.TYPE_MESSAGE
            field.type_name = f".{scope}.{kind.message.name}" if kind.message else f".{kind.name}"

    def fill(out: Any, message: _Message, scope: str) -> None:
        out.name = message.name
        scope = f"{scope}.{message.name}"
        for nested in message.nested:
            fill(out.nested_type.add(), nested, scope)
        if any(field.label == "oneof" for field in message.fields):
            out.oneof_decl.add(name="kind")
        for number, (name, kind, label) in enumerate(message.fields, 1):
            field = out.field.add(name=name, number=number, label=proto.LABEL_OPTIONAL)
            if label in _MAP_KEYS:
                # Spec: descriptor.proto, MessageOptions.map_entry: a map is a list of these.
                entry = out.nested_type.add(name=_camel(name) + "Entry")
                entry.options.map_entry = True
                key = entry.field.add(name="key", number=1, label=proto.LABEL_OPTIONAL)
                set_type(key, _Type(label), scope)
                set_type(entry.field.add(name="value", number=2, label=proto.LABEL_OPTIONAL), kind, scope)
                field.label, field.type = proto.LABEL_REPEATED, proto.TYPE_MESSAGE
                field.type_name = f".{scope}.{entry.name}"
                continue
            set_type(field, kind, scope)
            if label == "repeated":
                field.label = proto.LABEL_REPEATED
            elif label == "oneof":
                field.oneof_index = 0
            elif label == "optional" and field.type != proto.TYPE_MESSAGE:
                # Spec: descriptor.proto, proto3_optional: each is alone in a oneof of its own.
                field.proto3_optional, field.oneof_index = True, len(out.oneof_decl)
                out.oneof_decl.add(name=f"_{name}")

    fill(file.message_type.add(), root, _PACKAGE)
    pool = descriptor_pool.DescriptorPool()
    for known in (timestamp_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{root.name}"))


def _identifier(text: str, start: str) -> str:
    text = re.sub(r"\W", "_", text, flags=re.ASCII)
    return text if re.match(r"[A-Za-z]", text) else start + text


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _free(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, with a number where it is taken."""
    numbered = (f"{name}_v{number}" for number in range(2, 1_000_000))
    return name if not is_taken(name) else next(other for other in numbered if not is_taken(other))


def _listed(kinds: set[type]) -> str:
    return " and ".join(sorted(kind.__name__ for kind in kinds))


PARTS = {
    "protobuf": CodecPart(
        summary="protobuf: a `.proto` generated from the sample, and message classes made of it.",
        needs=("protobuf",),
        make=make,
        has_schema=True,
    )
}

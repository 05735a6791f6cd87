"""Rows of object-relational mappers: their columns and what is loaded beside them.

A row arrives detached from its session, with the concrete class and the same loaded attributes. Neither its
``__init__`` runs nor a signal is sent; as little is loaded that was not.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NamedTuple, Protocol

from splitcost.codec.kinds import DecodeError, is_found, is_model, name_of, resolve

MAX_ROWS = 3
"""Rows within each other that a message carries. Chosen: an order, its lines, and their products."""


class Parts(NamedTuple):
    """The attributes of a row."""

    columns: dict[str, Any]
    #: Loaded relations: a row, ``None``, or a list of rows.
    relations: dict[str, Any]
    #: Attributes that the mapper does not know.
    own: dict[str, Any]
    #: If the row is in the database, and in which.
    origin: Any


class Mapper(Protocol):
    """The rows of one class."""

    columns: list[str]

    def is_own(self, name: str) -> bool:
        """Return if an attribute was set on a row, and the mapper does not know it."""

    def change(self, row: Any, columns: dict[str, Any], own: dict[str, Any]) -> None:
        """Give a row other columns and other attributes of its own. Its mapper takes them for what the database has."""

    def take(self, row: Any) -> Parts:
        """Return the attributes of a row. Raises whatever loading an expired one raises."""

    def make(self) -> Any:
        """Return a row without attributes."""

    def give(self, row: Any, loaded: dict[str, Any], own: dict[str, Any], origin: Any) -> None:
        """Give a new row its attributes."""


class _SqlAlchemy:
    def __init__(self, kind: Any) -> None:
        from sqlalchemy import inspect

        mapper = inspect(kind)
        self._manager = kind._sa_class_manager
        self._is_model = is_model(kind)
        self.columns = list(mapper.column_attrs.keys())
        self._relations = list(mapper.relationships.keys())
        #: The relation of a child to its parent, by that of the parent to its children.
        self._back = {
            relation.key: relation.back_populates
            for relation in mapper.relationships
            if relation.back_populates and relation.direction.name == "ONETOMANY"
        }
        # Composites and synonyms are made of the columns again.
        self._known = {"_sa_instance_state", *mapper.attrs.keys()}

    def take(self, row: Any) -> Parts:
        from sqlalchemy.orm.collections import collection_adapter

        state = row._sa_instance_state
        held = state.dict
        for name in state.expired_attributes.intersection(self.columns):
            # One loads all that are expired. Deferred columns are loaded only where somebody asks for them.
            if name not in held and self._manager[name].impl.load_on_unexpire:
                getattr(row, name)
        columns = {name: held[name] for name in self.columns if name in held}
        if state.key is not None and len(columns) < len(self.columns):
            # Columns that nobody set when the row was written are None, without a look at the database.
            asked_for = {*held, *state.expired_attributes, *state.callables}
            unset = (
                name
                for name in self.columns
                if name not in asked_for and not self._manager[name].impl.callable_
            )
            columns |= dict.fromkeys(unset)
        relations = {}
        for name in self._relations:
            if name in held:
                is_collection = self._manager[name].impl.collection
                relations[name] = list(collection_adapter(held[name])) if is_collection else held[name]
        own = {name: part for name, part in held.items() if self.is_own(name)}
        return Parts(columns, relations, own, state.key is not None)

    def is_own(self, name: str) -> bool:
        return name not in self._known and not name.startswith("_AssociationProxy_")

    def change(self, row: Any, columns: dict[str, Any], own: dict[str, Any]) -> None:
        from sqlalchemy.orm.attributes import set_committed_value

        for name, part in columns.items():
            set_committed_value(row, name, part)
        row._sa_instance_state.dict.update(own)

    def make(self) -> Any:
        return self._manager.new_instance()

    def give(self, row: Any, loaded: dict[str, Any], own: dict[str, Any], origin: Any) -> None:
        from sqlalchemy.orm import make_transient_to_detached
        from sqlalchemy.orm.attributes import set_attribute, set_committed_value

        for name, part in loaded.items():
            # Related rows get their foreign keys when a new row is written, if they are a change to it.
            (set_committed_value if origin or name not in self._relations else set_attribute)(row, name, part)
            if back := self._back.get(name):
                for child in part if type(part) is list else [part] if part else []:
                    if back not in child._sa_instance_state.dict:
                        set_committed_value(child, back, row)
        if not self._known.isdisjoint(own):
            raise DecodeError("a column of a row is among its other attributes")
        row._sa_instance_state.dict.update(own)
        if self._is_model:
            object.__setattr__(
                row, "__pydantic_fields_set__", {name for name in self.columns if name in loaded}
            )
        if origin:
            make_transient_to_detached(row)


class _Django:
    def __init__(self, kind: Any) -> None:
        base, files = sys.modules["django.db.models.base"], sys.modules["django.db.models.fields.files"]
        self._model, self._state, self._file = base.Model, base.ModelState, files.FieldFile
        self._kind = kind
        self.columns = [field.attname for field in kind._meta.concrete_fields]
        self._known = {"_state", "_prefetched_objects_cache", *self.columns}

    def take(self, row: Any) -> Parts:
        held, state = row.__dict__, row._state
        columns = {name: held[name] for name in self.columns if name in held}
        for name, part in columns.items():
            if isinstance(part, self._file):
                columns[name] = part.name  # Its field makes a file of it where somebody asks for it.
        own = {name: part for name, part in held.items() if self.is_own(name)}
        return Parts(columns, vars(state).get("fields_cache", {}), own, [state.db, state.adding])

    def is_own(self, name: str) -> bool:
        return name not in self._known

    def change(self, row: Any, columns: dict[str, Any], own: dict[str, Any]) -> None:
        row.__dict__.update(columns | own)

    def make(self) -> Any:
        row = object.__new__(self._kind)
        row.__dict__["_state"] = self._state()
        return row

    def give(self, row: Any, loaded: dict[str, Any], own: dict[str, Any], origin: Any) -> None:
        held, state = row.__dict__, row._state
        state.db, state.adding = origin
        for name, part in loaded.items():
            if name in self._known:
                held[name] = part
            elif part is None or isinstance(part, self._model):
                state.fields_cache[name] = part
            else:
                raise DecodeError(f"{name} is no column of {name_of(self._kind)}")
        if not self._known.isdisjoint(own):
            raise DecodeError("a column of a row is among its other attributes")
        held.update(own)


@functools.cache
def mapper_of(kind: type) -> Mapper | None:
    """Return the mapper of a class, if its objects are rows."""
    if "_sa_class_manager" in vars(kind):
        return _SqlAlchemy(kind)
    models = sys.modules.get("django.db.models.base")
    if models is not None and issubclass(kind, models.Model):
        return _Django(kind)
    return None


def row_name(kind: Any) -> Any:
    """Return the name of a class of rows: its own, or that of a class beside it, and its name among these.

    Libraries make classes of rows that no module knows by a name, as those of former versions.
    """
    name = name_of(kind)
    if is_found(kind) or "_sa_class_manager" not in vars(kind):
        return name
    found = sorted(name_of(mapper.class_) for mapper in _mappers(kind) if is_found(mapper.class_))
    return [found[0], name] if found else name


def row_class(name: Any) -> type:
    """Return the class that :func:`row_name` names. Raises :class:`DecodeError` if no class has the name."""
    if type(name) is str:
        return resolve(name)
    beside = resolve(name[0])
    found = [mapper.class_ for mapper in _mappers(beside) if name_of(mapper.class_) == name[1]]
    if len(found) != 1:
        raise DecodeError(f"there is no class {name[1]} beside {name[0]}")
    kind: type = found[0]
    return kind


def _mappers(kind: Any) -> Any:
    from sqlalchemy.orm import configure_mappers

    if "_sa_class_manager" not in vars(kind):
        raise DecodeError(f"{name_of(kind)} is not a class of rows")
    configure_mappers()
    return kind._sa_class_manager.registry.mappers

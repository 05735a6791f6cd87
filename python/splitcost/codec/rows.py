"""Rows of object-relational mappers: their columns and what is loaded beside them.

A row arrives with the concrete class and the same loaded attributes, in no session yet. Neither its ``__init__`` runs
nor a signal is sent; as little is loaded that was not.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from splitcost.codec.kinds import DecodeError, is_found, is_model, name_of, resolve

MAX_ROWS = 3
"""Rows within each other that a message carries. Chosen: an order, its lines, and their products."""


class Parts(NamedTuple):
    """The attributes of a row."""

    columns: dict[str, Any]
    #: Attributes that the mapper does not know.
    own: dict[str, Any]
    #: If the row is in the database, and in which.
    origin: Any


class Content(Protocol):
    """The columns of a row and its other attributes, as :class:`splitcost.codec.parts.Content` has them."""

    @property
    def fields(self) -> dict[str, Any] | None:
        """Columns."""

    @property
    def items(self) -> Any:
        """Other attributes."""

    @property
    def origin(self) -> Any:
        """If the row is in the database, and in which; ``None`` where that has not changed."""

    @property
    def is_pending(self) -> bool:
        """If changes of columns are still to be written."""


class Mapper(Protocol):
    """The rows of one class."""

    columns: list[str]

    def is_own(self, name: str) -> bool:
        """Return if an attribute was set on a row, and the mapper does not know it."""

    def change(self, row: Any, content: Content) -> None:
        """Give a row other columns and other attributes of its own.

        Its mapper takes columns for what the database has unless they are still to be written, and the row for one that
        is there if its origin says so.
        """

    def take(self, row: Any) -> Parts:
        """Return the attributes of a row. Raises whatever loading an expired one raises."""

    def origin(self, row: Any) -> Any:
        """Return if a row is in the database, and in which."""

    def is_new(self, row: Any) -> bool:
        """Return if a row is in no database yet."""

    def is_pending(self, row: Any) -> bool:
        """Return if a row has changes that a session would have to write."""

    def relations(self, row: Any) -> dict[str, Any]:
        """Return the relations that are loaded: a row, ``None``, a list or a set of rows."""

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
        own = {name: part for name, part in held.items() if self.is_own(name)}
        return Parts(columns, own, self.origin(row))

    def origin(self, row: Any) -> bool:
        return row._sa_instance_state.key is not None

    def is_new(self, row: Any) -> bool:
        return row._sa_instance_state.key is None

    def relations(self, row: Any) -> dict[str, Any]:
        from sqlalchemy.orm.collections import collection_adapter

        held, relations = row._sa_instance_state.dict, {}
        for name in self._relations:
            if name in held:
                relations[name] = held[name]
                if self._manager[name].impl.collection:
                    of_kind = set if isinstance(held[name], set) else list
                    relations[name] = of_kind(collection_adapter(held[name]))
        return relations

    def is_own(self, name: str) -> bool:
        return name not in self._known and not name.startswith("_AssociationProxy_")

    def is_pending(self, row: Any) -> bool:
        return bool(row._sa_instance_state.modified)

    def change(self, row: Any, content: Content) -> None:
        from sqlalchemy.orm import make_transient_to_detached
        from sqlalchemy.orm.attributes import flag_modified, set_committed_value

        state = row._sa_instance_state
        for name, part in (content.fields or {}).items():
            is_change = content.is_pending and (name not in state.dict or state.dict[name] != part)
            set_committed_value(row, name, part)
            if is_change:
                flag_modified(row, name)
        state.dict.update(content.items)
        if content.origin and state.transient:
            make_transient_to_detached(row)

    def make(self) -> Any:
        return self._manager.new_instance()

    def give(self, row: Any, loaded: dict[str, Any], own: dict[str, Any], origin: Any) -> None:
        from sqlalchemy.orm import make_transient_to_detached
        from sqlalchemy.orm.attributes import set_attribute, set_committed_value
        from sqlalchemy.orm.collections import collection_adapter

        for name, part in loaded.items():
            is_collection = type(part) in (list, set)
            if origin or name not in self._relations:
                set_committed_value(row, name, part)
            # Related rows get their foreign keys when a new row is written, if they are a change to it.
            elif is_collection and isinstance(held := getattr(row, name), dict):
                known = set(map(id, held.values()))  # Children that refer to the row are there already.
                for child in part:
                    if id(child) not in known:
                        collection_adapter(held).append_with_event(child)
            else:
                set_attribute(row, name, part)
            if back := self._back.get(name):
                for child in part if is_collection else [part] if part else []:
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
        held = row.__dict__
        columns = {name: held[name] for name in self.columns if name in held}
        for name, part in columns.items():
            if isinstance(part, self._file):
                columns[name] = part.name  # Its field makes a file of it where somebody asks for it.
        own = {name: part for name, part in held.items() if self.is_own(name)}
        return Parts(columns, own, self.origin(row))

    def origin(self, row: Any) -> list[Any]:
        return [row._state.db, row._state.adding]

    def is_new(self, row: Any) -> bool:
        return bool(row._state.adding)

    def relations(self, row: Any) -> dict[str, Any]:
        found: dict[str, Any] = vars(row._state).get("fields_cache", {})
        return found

    def is_own(self, name: str) -> bool:
        return name not in self._known

    def is_pending(self, row: Any) -> bool:
        return False  # What is saved is all of it.

    def change(self, row: Any, content: Content) -> None:
        row.__dict__.update((content.fields or {}) | content.items)
        if content.origin is not None:
            row._state.db, row._state.adding = content.origin

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


def sent_relations(row: Any, mapper: Mapper, around: Sequence[int]) -> dict[str, Any]:
    """Return the relations that go along with a row. ``around`` are the rows that it is in, and it, by identity.

    Rows within a row go with the single rows that they refer to, and without lists: a row and those around it often
    hold each other. New ones go with their lists, as these are nowhere else.
    """
    is_flat = len(around) > 1 and not mapper.is_new(row)
    return {
        name: held
        for name, held in mapper.relations(row).items()
        if held is None
        or id(held) in around
        or (len(around) < MAX_ROWS and not (is_flat and type(held) in (list, set)))
    }


def row_name(kind: Any) -> Any:
    """Return the name of a class of rows: its own, or that of a class beside it, and its name among these.

    Libraries make classes of rows that no module knows by a name, as those of former versions. Django knows each by the
    names of its app and its own.
    """
    name = name_of(kind)
    if is_found(kind):
        return name
    if "_sa_class_manager" not in vars(kind):
        return [_DJANGO, kind._meta.label]
    found = sorted(name_of(mapper.class_) for mapper in _mappers(kind) if is_found(mapper.class_))
    return [found[0], name] if found else name


def is_known(kind: Any) -> bool:
    """Return if the other side can find a class of rows: it has its name, or is one that its mapper has."""
    if is_found(kind) or "_sa_class_manager" in vars(kind):
        return True
    meta = kind._meta
    return sys.modules["django.apps"].apps.all_models.get(meta.app_label, {}).get(meta.model_name) is kind


def row_class(name: Any) -> type:
    """Return the class that :func:`row_name` names. Raises :class:`DecodeError` if no class has the name."""
    if type(name) is str:
        return resolve(name)
    if name[0] == _DJANGO:
        return _django_model(name[1])
    beside = resolve(name[0])
    found = [mapper.class_ for mapper in _mappers(beside) if name_of(mapper.class_) == name[1]]
    if len(found) != 1:
        raise DecodeError(f"there is no class {name[1]} beside {name[0]}")
    kind: type = found[0]
    return kind


_DJANGO = "django.apps"


def _django_model(label: str) -> type:
    try:
        model: type = sys.modules["django.apps"].apps.get_registered_model(*label.split("."))
    except (LookupError, TypeError):
        raise DecodeError(f"there is no model {label}") from None
    return model


def _mappers(kind: Any) -> Any:
    from sqlalchemy.orm import configure_mappers

    if "_sa_class_manager" not in vars(kind):
        raise DecodeError(f"{name_of(kind)} is not a class of rows")
    configure_mappers()
    return kind._sa_class_manager.registry.mappers

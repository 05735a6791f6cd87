"""SQLAlchemy's mappers: they know which class of the app maps a table. Statements are noted by the driver."""

from __future__ import annotations

import functools
from typing import Any

from splitcost import _native
from splitcost._guard import attempt

__all__ = ["follow", "follow_relationships"]

#: Read a class's module and name past its metaclass, which is the app's.
_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__qualname__"].__get__


def follow(module: Any) -> None:
    """Follow the setting up of mappers."""
    original = module.Mapper.__init__

    @functools.wraps(original)
    def init(self: Any, /, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        attempt(_note, self)

    module.Mapper.__init__ = init


def follow_relationships(module: Any) -> None:
    """Follow the setting up of relationships: a table between two others is mapped by no class."""
    original = module.RelationshipProperty.do_init

    @functools.wraps(original)
    def do_init(self: Any, /) -> None:
        original(self)
        attempt(_note_secondary, self)

    module.RelationshipProperty.do_init = do_init


def _note(mapper: Any) -> None:
    _note_table(mapper.local_table, mapper)


def _note_secondary(relationship: Any) -> None:
    _note_table(relationship.secondary, relationship.parent)


def _note_table(table: Any, mapper: Any) -> None:
    name = getattr(table, "fullname", None)  # A mapper of a join, or of a query, has none.
    if isinstance(name, str):
        _native.map_table(str(name), _module_of(mapper.class_), _name_of(mapper.class_))

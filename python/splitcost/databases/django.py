"""Django's models: they know which module of the app maps a table. Statements are noted by the driver."""

from __future__ import annotations

from typing import Any

from splitcost import _native
from splitcost._guard import attempt

__all__ = ["follow"]

#: Read a class's module and name past its metaclass, which may be the app's.
_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__qualname__"].__get__


def follow(module: Any) -> None:
    """Follow the setting up of models, by way of the signal that Django sends for it."""
    module.class_prepared.connect(_prepared, weak=False)


def _prepared(sender: Any, **_: Any) -> None:
    attempt(_note, sender)


def _note(model: Any) -> None:
    meta = type.__getattribute__(model, "_meta")
    if not meta.proxy:
        _native.map_table(meta.db_table.replace('"', ""), _module_of(model), _name_of(model))

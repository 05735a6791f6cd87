"""Bottle's source as a module of the app."""

import importlib.util
from pathlib import Path

_path = importlib.util.find_spec("bottle").origin
exec(compile(Path(_path).read_text(), __file__, "exec"))

"""Keeps the build out of the clone; everything else about the package is in pyproject.toml.

setuptools would assemble the wheel in `build/` and never remove from there a module that was since deleted, so that
it would be shipped for ever. Each build gets a scratch directory instead. What is worth keeping, Rust's artifacts, is
in cargo's target directory, wherever `CARGO_TARGET_DIR` puts it.
"""

import atexit
import shutil
import tempfile

from setuptools import setup

scratch = tempfile.mkdtemp(prefix="splitcost-build-")
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
setup(options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}})

"""The settings of the build that pyproject.toml cannot express; everything else about the package is there.

setuptools would assemble the wheel in `build/` and never remove from there a module that was since deleted,
so that it would be shipped for ever. Each build gets a scratch directory instead. What is worth keeping,
Rust's artifacts, is in cargo's target directory, wherever `CARGO_TARGET_DIR` puts it.
"""

import atexit
import shutil
import tempfile

from setuptools import setup

scratch = tempfile.mkdtemp(prefix="splitcost-build-")
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
setup(
    options={
        "build": {"build_base": scratch},
        "egg_info": {"egg_base": scratch},
        # PyO3's abi3-py311: one wheel for every CPython from 3.11 on.
        "bdist_wheel": {"py_limited_api": "cp311"},
    }
)

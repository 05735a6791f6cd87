"""The files that `pip install` puts into the environment: a binary, an extension, and typed packages."""

import importlib.metadata
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import splitcost
import splitcost._native

# Chosen: several times what the extension weighs; Parquet or an async runtime alone would weigh more.
LARGEST_EXTENSION_BYTES = 2_000_000


def installed() -> dict[str, Path]:
    """The files of the installed distribution, by their path within it."""
    files = importlib.metadata.files("splitcost")
    assert files is not None
    return {str(file): Path(str(file.locate())).resolve() for file in files}


def needed_libraries(path: Path) -> list[str]:
    """The DT_NEEDED entries of a 64-bit little-endian ELF file."""
    data = path.read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01"
    [headers_at] = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, headers_at + i * size) for i in range(count)]
    [dynamic] = [section for section in sections if section[1] == 6]
    strings_at = sections[dynamic[6]][4]
    entries = [struct.unpack_from("<qQ", data, dynamic[4] + at) for at in range(0, dynamic[5], 16)]
    names = [strings_at + value for tag, value in entries if tag == 1]
    return [data[at : data.index(b"\0", at)].decode() for at in names]


def test_the_command_is_the_rust_binary() -> None:
    binary = Path(sys.prefix, "bin", "splitcost").resolve()
    assert binary in installed().values()
    assert binary.read_bytes()[:4] == b"\x7fELF"
    found = shutil.which("splitcost", path=str(binary.parent))
    assert found is not None
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=True)
    assert answer.stdout.split() == ["splitcost", importlib.metadata.version("splitcost")]


def test_the_extension_is_small_and_links_no_python() -> None:
    extension = installed()["splitcost/_native.abi3.so"]
    assert Path(splitcost._native.__file__).resolve() == extension
    assert extension.stat().st_size < LARGEST_EXTENSION_BYTES
    allowed = ("libc.", "libm.", "libgcc_s.", "ld-linux", "libpthread.", "libdl.", "librt.")
    assert [name for name in needed_libraries(extension) if not name.startswith(allowed)] == []


def test_the_packages_are_complete_and_nothing_else_is_there() -> None:
    files = installed()
    modules = ("__init__.py", "recorder.py", "pytest_plugin.py", "_bootstrap/sitecustomize.py")
    for name in (*modules, "py.typed", "_native.pyi"):
        assert files[f"splitcost/{name}"].is_file()
    sources = Path(__file__).resolve().parents[3] / "python"
    ours = {str(path.relative_to(sources)) for path in sources.rglob("*.py")}
    assert ours == {name for name in files if name.startswith("splitcost/") and name.endswith(".py")}
    extra = [name for name in files if not name.startswith(("splitcost/", "splitcost-", "../../../bin/"))]
    assert extra == []


def test_the_versions_agree() -> None:
    assert splitcost.__version__ == importlib.metadata.version("splitcost")


def test_recording_needs_no_other_package() -> None:
    required = importlib.metadata.requires("splitcost") or []
    assert [requirement for requirement in required if "extra ==" not in requirement] == []

"""The scripts under `scripts/`, and the settings of the linters."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
REAL = Path(getattr(sys, "_base_executable", sys.executable))


def only_tools(tools: Path) -> Path:
    """Makes a directory that holds nothing but the system's tools that the scripts use."""
    tools.mkdir()
    for tool in ("sh", "cat", "sed", "sort", "ls", "dirname"):
        for directory in os.defpath.split(":") + ["/usr/bin", "/bin"]:
            if directory and (source := Path(directory, tool)).exists() and not (tools / tool).exists():
                (tools / tool).symlink_to(source)
    return tools


def find_python(path: list[Path], *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs scripts/find-python with these directories and the system's tools on PATH."""
    tools = only_tools(path[0] / "tools")
    environment = {"HOME": str(path[0]), "PATH": ":".join(map(str, [*path, tools])), **environment}
    command = [str(ROOT / "scripts/find-python"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def executable(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_shim_that_fails_is_passed_over(tmp_path: Path) -> None:
    executable(tmp_path / "shims/python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    executable(tmp_path / f"bin/python{VERSION}", f'exec "{REAL}" "$@"')
    found = find_python([tmp_path / "shims", tmp_path / "bin"])
    assert found.stderr == ""
    assert Path(found.stdout.strip()).samefile(REAL)


def test_pyenv_is_searched(tmp_path: Path) -> None:
    executable(tmp_path / f"root/versions/{VERSION}.99/bin/python3", "exit 1")
    executable(tmp_path / f"root/versions/{VERSION}.1/bin/python3", f'exec "{REAL}" "$@"')
    (tmp_path / "bin").mkdir()
    found = find_python([tmp_path / "bin"], PYENV_ROOT=str(tmp_path / "root"))
    assert Path(found.stdout.strip()).samefile(REAL)


def test_all_are_listed_once_by_version(tmp_path: Path) -> None:
    for version in ("3.11", "3.12", "3.13", "3.14", "3.15"):
        executable(tmp_path / f"bin/python{version}", f'exec "{REAL}" "$@"')
    executable(tmp_path / f"more/python{VERSION}", f'exec "{REAL}" "$@"')
    found = find_python([tmp_path / "bin", tmp_path / "more"], "--all", PYTHON="/nowhere/python3")
    lines = [line.split(" ", 1) for line in found.stdout.splitlines()]
    # Every name leads to the same interpreter, which answers with its own version.
    assert [version for version, _ in lines] == [VERSION]
    assert Path(lines[0][1]).samefile(REAL)
    assert (found.returncode, found.stderr) == (0, "")


def test_an_empty_list_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    found = find_python([tmp_path / "bin"], "--all")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_an_interpreter_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    # An earlier `make test-pythons` may have unpacked interpreters in the usual directory.
    tools = str(only_tools(tmp_path / "tools"))
    environment = {"HOME": str(tmp_path), "PATH": tools, "DEBIAN_PYTHONS": str(tmp_path / "debian")}
    command = [sys.executable, str(ROOT / "scripts/test-pythons"), "unused.whl"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
    summary = found.stdout[found.stdout.index("== The recorder's and the rehearsal's tests") :].splitlines()[
        1:
    ]
    others = [version for version in ("3.11", "3.12", "3.13", "3.14", "3.15") if version != VERSION]
    named = {line.split(": ")[0].removeprefix("CPython "): line.split(": ", 1)[1] for line in summary}
    assert [*named] == [*others, VERSION]
    for version in others:
        reason = (
            "error: this is no Debian"
            if version >= "3.14"
            else f"there is no CPython {version} on this machine"
        )
        assert named[version].startswith(f"not run: {reason}")
    assert "make test" in named[VERSION]


def test_none_is_a_clear_error(tmp_path: Path) -> None:
    executable(tmp_path / "bin/python3", "echo 3.8")
    executable(tmp_path / "bin/python3.13", "exit 1")
    found = find_python([tmp_path / "bin"])
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("error: found no usable Python")


def test_the_one_that_was_asked_for_is_the_one(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert Path(find_python([tmp_path / "bin"], PYTHON=str(REAL)).stdout.strip()).samefile(REAL)


def test_one_that_was_asked_for_and_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    found = find_python([tmp_path / "bin"], PYTHON="/nowhere/python3")
    assert (found.returncode, found.stdout) == (2, "")
    assert "PYTHON=/nowhere/python3" in found.stderr


def test_the_shops_pins_are_ours() -> None:
    lines = (ROOT / "requirements/constraints.txt").read_text().splitlines()
    ours = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    shop = tomllib.loads((ROOT / "examples/shop/pyproject.toml").read_text())["project"]
    groups = [shop["dependencies"], *shop.get("optional-dependencies", {}).values()]
    for requirement in (requirement for group in groups for requirement in group):
        match = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", requirement)
        assert match, f"not an exact pin: {requirement}"
        assert ours[match[1].lower().replace("_", "-")] == match[2]


ENGLISH = ROOT / "tests/python/packaging/english"


@pytest.mark.parametrize("kind", ["rs", "py", "md", "toml"])
def test_wording_that_is_ruled_out_is_found_and_no_other(kind: str) -> None:
    samples = sorted(ENGLISH.glob(f"*.{kind}"))
    command = [sys.executable, str(ROOT / "scripts/lint-english"), *map(str, samples)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    place = re.escape(f"{ENGLISH.relative_to(ROOT)}/")
    lines = [re.fullmatch(rf"{place}(.*): .*“(.+)”: .*", line) for line in found.stdout.splitlines()]
    assert None not in lines, found.stdout
    expected = [
        line for line in (ENGLISH / "expected.txt").read_text().splitlines() if f".{kind}:" in line.split()[0]
    ]
    assert [f"{line[1]} {line[2]}" for line in lines if line] == expected
    assert (found.returncode, found.stderr) == (1, "")


def test_wording_that_is_allowed_passes() -> None:
    samples = sorted(ENGLISH.glob("good.*"))
    command = [sys.executable, str(ROOT / "scripts/lint-english"), *map(str, samples)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert len(samples) == 3


def test_every_python_file_is_linted() -> None:
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert ruff, "ruff is not installed"
    shown = subprocess.run(
        [ruff, "check", "--show-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    linted = {Path(line).relative_to(ROOT) for line in shown.stdout.splitlines()}
    list_all = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(list_all, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
    # Programs that are odd on purpose.
    cases = (
        *("crates/splitcost-scan/tests/it/cases/", "tests/python/recorder/cases/"),
        "tests/python/rehearsal/cases/",
    )
    ours = {file for file in files if is_python(ROOT / file) and not str(file).startswith(cases)}
    assert {Path("bench/load"), Path("setup.py"), Path("scripts/lint-english")} <= ours
    assert ours - linted == set()


def is_python(path: Path) -> bool:
    """Returns true if the name of a file, or its first line, says that it is Python."""
    if path.suffix:
        return path.suffix in (".py", ".pyi")
    with path.open("rb") as file:
        return re.match(rb"#!.*python", file.readline()) is not None


def test_the_wheel_for_the_tests_shares_the_artifacts_of_the_tests(tmp_path: Path) -> None:
    executable(tmp_path / "cargo", 'printf "%s\n" "$@"')

    def passed_on(*arguments: str) -> list[str]:
        environment = {**os.environ, "REAL_CARGO": str(tmp_path / "cargo")}
        command = [str(ROOT / "scripts/cargo-for-tests"), *arguments]
        found = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return found.stdout.splitlines()

    build = [
        "build",
        "--manifest-path",
        "a path/Cargo.toml",
        "--message-format=json",
        "--profile",
        "wheel",
        "--locked",
    ]
    shared = ["--workspace", "--all-features", "--bin", "splitcost", "--example", "sample"]
    assert passed_on(*build) == ["build", *build[1:4], "--locked", *shared]
    extension = ["rustc", "--lib", "--profile", "wheel", "--", "--crate-type", "cdylib"]
    assert passed_on(*extension) == extension


def make_targets() -> set[str]:
    """Returns the names that Makefile declares as targets that are no files."""
    declared = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared
    return set(declared[1].split())


def test_the_targets_that_workflows_make_exist() -> None:
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    steps = [
        step
        for workflow in workflows
        for job in yaml.safe_load(workflow.read_text())["jobs"].values()
        for step in job["steps"]
    ]
    used = {word for step in steps for word in re.findall(r"\bmake ([\w-]+)", step.get("run", ""))}
    assert {"lint", "test-rust", "test-python", "test-pythons", "wheel"} <= used
    assert used <= make_targets()


def test_actions_are_pinned_by_commit() -> None:
    used = re.findall(
        r"uses: (\S+)", "".join(path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml"))
    )
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []


def test_the_help_of_make_names_targets_that_exist() -> None:
    named = re.findall(r"^# make (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(named) <= make_targets()
    assert make_targets() - {*named, "help", "build", "test-rust", "test-python"} == set()


ORDERS = """
import pytest

@pytest.fixture(scope="module", params=["a", "b"])
def shared(request):
    print("made", request.param)

@pytest.mark.parametrize("number", range(40))
def test_shared(shared, number):
    print("ran", number)
"""


def test_the_order_of_the_tests_is_drawn_from_the_seed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/python/conftest.py", tmp_path)
    (tmp_path / "test_orders.py").write_text(ORDERS)

    def order(*options: str) -> list[str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-s",
            "-p",
            "no:cacheprovider",
            *options,
            str(tmp_path),
        ]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=True)
        assert ("order: --shuffle=" in found.stdout) == bool(options)
        return re.findall(r"(?:made|ran) \w+", found.stdout)

    plain, once, again, other = order(), order("--shuffle=7"), order("--shuffle=7"), order("--shuffle=8")
    assert once == again
    assert len({tuple(found) for found in (plain, once, other, order("--shuffle=random"))}) == 4
    assert sorted(once) == sorted(plain)
    # An expensive fixture is made once for each of its parameters, in any order.
    assert sum(line.startswith("made") for line in once) == 2


def test_a_flaky_test_is_hunted_down(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/python/conftest.py", tmp_path)
    (tmp_path / "test_flaky.py").write_text(
        "import pathlib\n"
        "def test_second_time():\n"
        f"    count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "    count.open('a').write('.')\n"
        "    assert len(count.read_text()) != 2\n"
        "def test_always(): pass\n"
    )
    command = [sys.executable, str(ROOT / "scripts/hunt-flakes"), "3", str(tmp_path)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    found = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert found.returncode == 1
    assert re.search(r"^1 of 3 runs: \S*test_flaky.py::test_second_time$", found.stdout, re.MULTILINE)
    [kept] = tmp_path.glob("splitcost-hunt-*/run-*.txt")
    assert kept.name == "run-1.txt"
    assert len(re.findall(r"^PYTHONHASHSEED=\d+ .*--shuffle=\d+", found.stdout, re.MULTILINE)) == 3

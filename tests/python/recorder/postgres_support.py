"""A real PostgreSQL server for the tests: Debian's, as an unprivileged user, on a socket in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DEADLINE_SECS = 60
#: The server ends by itself after this time, whatever becomes of the tests.
LIFETIME_SECS = 600


def binary(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs."""
    directories = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, directories), os.environ.get("PATH", "")])
    return shutil.which(name, path=path)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server; gives the directory of its socket. Its superuser is `postgres`."""
    initdb, postgres = binary("initdb"), binary("postgres")
    assert initdb and postgres
    directory = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    try:
        if user is not None:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        data = directory / "data"
        make = [initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(
            [*make, "--locale=C"], user=user, check=True, capture_output=True, timeout=DEADLINE_SECS
        )
        serve = [postgres, "-D", str(data), "-k", str(directory), "-c", "listen_addresses=", "-F"]
        process = subprocess.Popen(
            ["timeout", str(LIFETIME_SECS), *serve],
            user=user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait(directory, process)
            yield str(directory)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGQUIT)
            process.wait(DEADLINE_SECS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait(directory: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server takes connections."""
    import psycopg

    end = time.monotonic() + DEADLINE_SECS
    while True:
        try:
            psycopg.connect(host=str(directory), user="postgres", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server takes no connections"
            time.sleep(0.02)

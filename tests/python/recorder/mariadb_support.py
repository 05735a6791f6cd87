"""A real MariaDB server for the tests: Debian's, as an unprivileged user, on a socket in a directory of its own."""

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

DEADLINE_SECS = 120
#: The server ends by itself after this time, whatever becomes of the tests.
LIFETIME_SECS = 600


def binary(name: str) -> str | None:
    """Return the path of one of MariaDB's programs."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"]))


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server; gives its socket. Its user `root` needs no password."""
    install, mariadbd = binary("mariadb-install-db"), binary("mariadbd")
    assert install and mariadbd
    directory = Path(tempfile.mkdtemp(prefix="maria", dir="/tmp"))
    user = "nobody" if os.getuid() == 0 else None
    try:
        if user is not None:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        data = f"--datadir={directory / 'data'}"
        make = [install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(make, user=user, check=True, capture_output=True, timeout=DEADLINE_SECS)
        socket = directory / "socket"
        serve = [mariadbd, "--no-defaults", data, f"--socket={socket}", "--skip-networking"]
        process = subprocess.Popen(
            ["timeout", str(LIFETIME_SECS), *serve, f"--pid-file={directory / 'pid'}"],
            user=user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait(socket, process)
            yield str(socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_SECS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait(socket: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server takes connections."""
    import pymysql

    end = time.monotonic() + DEADLINE_SECS
    while True:
        try:
            pymysql.connect(unix_socket=str(socket), user="root").close()
            return
        except pymysql.OperationalError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server takes no connections"
            time.sleep(0.02)

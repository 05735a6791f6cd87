"""Real servers of databases for the tests: Debian's, as an unprivileged user, on a socket in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DEADLINE_SECS = 120
#: A server ends by itself after this time, whatever becomes of the tests.
LIFETIME_SECS = 600
#: PostgreSQL and MariaDB refuse to run as root.
USER = "nobody" if os.getuid() == 0 else None


def binary(name: str) -> str:
    """Return the path of one of the servers' programs."""
    directories = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = [*map(str, directories), os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"]
    found = shutil.which(name, path=os.pathsep.join(path))
    assert found, f"there is no {name}: run scripts/need-databases"
    return found


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    # Sockets want a short path.
    directory = Path(tempfile.mkdtemp(prefix="db", dir="/tmp"))
    try:
        if USER is not None:
            os.chown(directory, pwd.getpwnam(USER).pw_uid, -1)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _prepare(*command: str) -> None:
    subprocess.run(command, user=USER, check=True, capture_output=True, timeout=DEADLINE_SECS)


@contextlib.contextmanager
def _serving(command: list[str], connect: Callable[[], object], ending: signal.Signals) -> Iterator[None]:
    """Run a server, from when it takes connections."""
    process = subprocess.Popen(
        ["timeout", str(LIFETIME_SECS), *command],
        user=USER,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + DEADLINE_SECS
        while True:
            try:
                connect()
                break
            except Exception as error:
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < end, f"the server takes no connections: {error}"
                time.sleep(0.02)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        process.wait(DEADLINE_SECS)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL; gives the directory of its socket. Its superuser is `postgres`."""
    import psycopg

    with _directory() as directory:
        data = str(directory / "data")
        make = [binary("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
        _prepare(*make, "--locale=C")
        serve = [binary("postgres"), "-D", data, "-k", str(directory), "-c", "listen_addresses=", "-F"]

        def connect() -> None:
            psycopg.connect(host=str(directory), user="postgres", dbname="postgres").close()

        # By this signal it removes its shared memory.
        with _serving(serve, connect, signal.SIGQUIT):
            yield str(directory)


def empty_postgres(directory: str) -> None:
    """Drop whatever is in the database `postgres`."""
    import psycopg

    with psycopg.connect(host=directory, user="postgres", dbname="postgres", autocommit=True) as db:
        db.execute("DROP SCHEMA public CASCADE")
        db.execute("CREATE SCHEMA public")


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """Run MariaDB; gives its socket. Its user `root` needs no password."""
    import pymysql

    with _directory() as directory:
        data = f"--datadir={directory / 'data'}"
        # Two of them delete each other's temporary tables.
        own = ["env", f"TMPDIR={directory}"]
        make = [*own, binary("mariadb-install-db"), "--no-defaults", data]
        _prepare(*make, "--auth-root-authentication-method=normal", "--skip-test-db")
        socket = str(directory / "socket")
        serve = [*own, binary("mariadbd"), "--no-defaults", data, f"--socket={socket}", "--skip-networking"]

        def connect() -> None:
            pymysql.connect(unix_socket=socket, user="root").close()

        with _serving([*serve, f"--pid-file={directory / 'pid'}"], connect, signal.SIGKILL):
            yield socket


def empty_mariadb(socket: str) -> None:
    """Make the database `test` anew, and drop the one that tests make, `shop`."""
    import pymysql

    with pymysql.connect(unix_socket=socket, user="root") as db, db.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute("DROP DATABASE IF EXISTS shop")
        cursor.execute("CREATE OR REPLACE DATABASE test")


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Run Redis; gives its socket."""
    from redis import Redis

    with _directory() as directory:
        socket = str(directory / "socket")
        serve = [binary("redis-server"), "--port", "0", "--unixsocket", socket, "--unixsocketperm", "777"]

        def connect() -> None:
            with Redis(unix_socket_path=socket) as client:
                client.ping()

        with _serving([*serve, "--save", "", "--dir", str(directory)], connect, signal.SIGKILL):
            yield socket


def empty_redis(socket: str) -> None:
    """Delete every key."""
    from redis import Redis

    with Redis(unix_socket_path=socket) as client:
        client.flushall()

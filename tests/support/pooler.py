"""PgBouncer in transaction mode, if it is installed: each transaction may get another connection."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.ports import free_port
from support.postgres import PostgresServer
from support.processes import until


@dataclass(slots=True)
class Pooler:
    """A pooler with three connections to each database."""

    folder: Path
    server: tuple[str, int]
    host: str = "127.0.0.1"
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    def start(self) -> None:
        """Start it and wait until it listens."""
        host, port = self.server
        settings = {
            "listen_addr": self.host,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 3,
            "max_client_conn": 200,
            "server_round_robin": 1,
        }
        lines = ["[databases]", f"* = host={host} port={port} user=postgres", "[pgbouncer]"]
        config = self.folder / "pgbouncer.ini"
        config.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]))
        # It refuses to run as root; then it runs as the user who may use the server's socket.
        as_user = ["-u", pwd.getpwuid(Path(host).stat().st_uid).pw_name] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [found() or "", "-q", *as_user, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._listens, "PgBouncer to listen")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port)):
            return True
        return False

    def stop(self) -> None:
        """Kill it, with every connection through it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def restart(self) -> None:
        """End it and start it again."""
        self.stop()
        self.start()


def found() -> str | None:
    """The program, if it is installed; on Debian it is only on root's PATH."""
    return shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:{os.environ.get('PATH', '')}")


@pytest.fixture
def pooler(postgres: PostgresServer, tmp_path: Path) -> Iterator[Pooler]:
    """A pooler in front of the tests' server."""
    if found() is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    running = Pooler(tmp_path, postgres.socket, port=free_port())
    running.start()
    yield running
    running.stop()

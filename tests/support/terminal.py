"""A command on its own terminal: what it writes there, and what a person sees."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

from support.processes import PATIENCE, PROGRAM

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command that runs on a terminal with so many columns."""

    def __init__(
        self,
        arguments: tuple[str | Path, ...],
        around: Mapping[str, str],
        folder: Path,
        columns: int,
        kind: str = "xterm",
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env={**around, "TERM": kind},
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._written = b""

    def until(self, words: str) -> None:
        """Read until it has written `words`."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.text:
            goes_on = time.monotonic() < deadline and self._read()
            assert goes_on, f"it never wrote {words!r}, but: {self.text}"

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Close the terminal, as when a connection drops; the command runs on."""
        os.close(self._master)

    def ended(self) -> int:
        """Read to the end of its output; returns its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"it does not end: {self.text[-2000:]}"
        os.close(self._master)
        return self.process.wait(PATIENCE)

    @property
    def written(self) -> str:
        """All output, including cursor movements."""
        return self._written.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """All output, without cursor movements and colours."""
        return _CONTROL.sub("", self._written.decode("utf-8", "replace"))

    @property
    def rows(self) -> list[str]:
        """Each row as it was written, including rows that were overwritten later."""
        return [row for row in re.split(r"[\r\n]+", self.text) if row.strip()]

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"it wrote nothing more, and did not end: {self.text}"
        try:
            read = os.read(self._master, 1 << 16)
        except OSError:  # the other end has been closed
            return False
        self._written += read
        return bool(read)

"""Commands as processes of their own: for signals, kills, closed pipes and the interpreter's own settings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from support.calling import Ended, is_foreign, vendor_environment

PATIENCE = 30.0
PROGRAM = (sys.executable, "-c", "from pipeline.cli.main import main; main()")


def environment(url: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process that talks to the vendor at `url` finds around it."""
    own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return {**own, **vendor_environment(url), **(more or {})}


class Running:
    """A command that was started. What it says can be waited for, line by line."""

    def __init__(
        self, arguments: tuple[str | Path, ...], around: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=dict(around),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
        )
        self._heard = ""

    @property
    def _err(self) -> IO[str]:
        assert self.process.stderr is not None
        return self.process.stderr

    def hear(self, words: str) -> str:
        """Wait until it says a line with `words` on stderr."""
        for line in self._err:
            self._heard += line
            if words in line:
                return line
        raise AssertionError(f"it never said {words!r}, but: {self._heard}")

    def first_line(self) -> str:
        """Wait for the first line on stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> Ended:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, out, self._heard + err)

    def kill(self) -> None:
        """End it as a lost machine ends, if it is still there."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that another process or thread brings about."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)

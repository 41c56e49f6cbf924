"""Commands as separate processes: for signals, kills, closed pipes and the interpreter's own settings."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from support.calling import PATIENCE as PATIENCE
from support.calling import Ended
from support.calling import environment as environment
from support.fork_server import Forked, the_fork_server

PROGRAM = (sys.executable, "-c", "from pipeline.cli.main import main; main()")

# Variables read when an interpreter or a module starts: a process with other values for them cannot be forked.
_READ_ONCE = ("PYTHON", "LANG", "LC_", "TZ", "TERM", "TQDM_")


class Running:
    """A started command, whose output can be awaited line by line."""

    def __init__(
        self, arguments: tuple[str | Path, ...], around: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.process = _begun(arguments, around, folder)
        self._heard = ""

    @property
    def _err(self) -> IO[str]:
        assert self.process.stderr is not None
        return self.process.stderr

    def hear(self, words: str) -> str:
        """Wait for a line with `words` on stderr."""
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
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out, self._heard + err)

    def kill(self) -> None:
        """Kill it, as if its machine were lost, if it is still running."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def _begun(
    arguments: tuple[str | Path, ...], around: Mapping[str, str], folder: Path | None
) -> "subprocess.Popen[str] | Forked":
    fork_server = the_fork_server()
    if _read_once(around) == _read_once(fork_server.around):
        return fork_server.fork(arguments, around, folder)
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        env=dict(around),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
    )


def _read_once(around: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in around.items() if name.startswith(_READ_ONCE)}


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds that another process or thread brings about."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)

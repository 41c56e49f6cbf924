"""What a process costs, and how a command compares with its yardstick. Times alone are never reported."""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A command that takes longer is ended: its row says so, and the other rows are still measured.
PATIENCE = 1800.0


class TooSlow(Exception):
    """A command did not end within the seconds that it was given."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"did not end within {seconds:.0f} s")


class Failed(Exception):
    """A command did not do what is to be measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took, with those that it started and waited for: seconds, and its peak in bytes.

    The peak is never less than what this program itself needs, about 23 MiB, which a new process begins with.
    """

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command line that can be measured, at most `patience` seconds long; `output` gets what it prints."""

    arguments: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str]
    output: Path | None = None
    patience: float = PATIENCE

    def measure(self) -> Cost:
        """Run it once.

        Raises:
            Failed: its exit code was not 0.
            TooSlow: it was ended before it was done.
        """
        errors = self.folder / "stderr.txt"
        with (
            Path(self.output or os.devnull).open("wb") as out,
            errors.open("wb") as err,
        ):
            begun = time.monotonic()
            process = subprocess.Popen(
                list(map(str, self.arguments)),
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            usage = _ended(process, self.patience)
            wall = time.monotonic() - begun
        if process.returncode != 0:
            said = errors.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise Failed(f"{self}: exit code {process.returncode}\n{said}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def __str__(self) -> str:
        return " ".join(Path(each).name if isinstance(each, Path) else each for each in self.arguments)


def _ended(process: "subprocess.Popen[bytes]", patience: float) -> resource.struct_rusage:
    """Wait for the process itself, as only that tells what this one took and no other."""
    overdue = threading.Event()

    def end() -> None:
        overdue.set()
        process.kill()

    timer = threading.Timer(patience, end)
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if overdue.is_set():
        raise TooSlow(patience)
    return usage


def by_turns(times: int, *measures: Callable[[], Cost]) -> Iterator[tuple[Cost, ...]]:
    """Measure one after the other, `times` times: what disturbs the machine then disturbs them all alike."""
    for _ in range(times):
        yield tuple(measure() for measure in measures)

"""Metrics in a file, for the textfile collector of Prometheus' node exporter: a run may end before it is scraped."""

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import Unfinished, UsageError, printable
from pipeline.files import assert_replaces, write_atomically

# Seconds between two writes.
_INTERVAL = 15.0


class MetricsFile:
    """A file of metrics that is replaced atomically, so that it is always complete.

    Raises:
        UsageError: the collector would not read a file of this name, or it cannot be written.
    """

    def __init__(
        self, path: Path, text: Callable[[], str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._text = text
        self._monotonic = monotonic
        self._written_at = monotonic()
        if path.suffix != ".prom":
            raise UsageError(
                f"--metrics-file {printable(str(path))}: the collector reads files that end in .prom"
            )
        try:
            # A file of metrics that we wrote begins with a comment of Prometheus' format.
            assert_replaces(path, lambda head: head.lstrip().startswith(b"# "), "a file of metrics")
            self._write()
        except OSError as error:
            raise UsageError(f"--metrics-file {printable(str(path))}: {error.strerror or error}") from error

    def refresh(self) -> None:
        """Rewrite it from time to time. An error is reported only at the end."""
        if self._monotonic() - self._written_at >= _INTERVAL:
            try:
                self._write()
            except OSError:
                self._written_at = self._monotonic()

    def finish(self) -> None:
        """Write it for the last time.

        Raises:
            Unfinished: it cannot be written.
        """
        try:
            self._write()
        except OSError as error:
            raise Unfinished(
                f"--metrics-file {printable(str(self._path))}: cannot be written: {error.strerror}"
            ) from error

    def _write(self) -> None:
        write_atomically(self._path, self._text().encode())
        self._written_at = self._monotonic()

"""`--log-format json`: each line of stderr as one JSON object, for programs that collect logs."""

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO, cast

from pipeline.engine.reporter import Tally
from pipeline.errors import printable
from pipeline.jobs import JobKey, Json

_LEVELS = ("error", "warning")


def begin_json_log() -> None:
    """From now on, what is written to stderr is one JSON object a line."""
    sys.stderr = cast("TextIO", JsonLines(sys.stderr))


def json_log() -> "JsonLines | None":
    """Where stderr is JSON: the log."""
    stream: object = sys.stderr
    return stream if isinstance(stream, JsonLines) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines(io.TextIOBase):
    """A stream that writes what it is given line by line to another, each line as the message of an object.

    A line that begins with `error:` or `warning:` has that level.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO, now: Callable[[], str] = _now) -> None:
        super().__init__()
        self._stream = stream
        self._now = now
        self._begun = ""

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def log(self, level: str, message: str, job: JobKey | None = None) -> None:
        """Write one object."""
        written: dict[str, Json] = {"time": self._now(), "level": level, "message": message}
        if job is not None:
            written["job"] = job
        # All that is not ASCII is escaped: no terminal, runner or encoding can take harm from it.
        self._stream.write(json.dumps(written).replace("##[", "\\u0023#[") + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Write a line that was begun and not ended; the other stream stays open."""
        line, self._begun = self._begun, ""
        self._write_line(line)
        super().close()

    def _write_line(self, line: str) -> None:
        if not line.strip():
            return
        level = next((each for each in _LEVELS if line.startswith(f"{each}: ")), "info")
        self.log(level, line.removeprefix(f"{level}: "))


class LogReporter:
    """Tells how a run goes in objects of `log`, each with its job's key."""

    def __init__(self, log: JsonLines, *, quiet: bool = False) -> None:
        self._log = log
        self._quiet = quiet

    def show(self, tally: Tally) -> None:
        pass  # Lines tell what happened, not how the jobs stand.

    def tell(self, key: JobKey, what: str) -> None:
        level = "error" if what.startswith("failed") else "info"
        if level == "error" or not self._quiet:
            self._log.log(level, printable(what), key)

    def warn(self, message: str) -> None:
        self._log.log("warning", printable(message))

    def close(self) -> None:
        pass

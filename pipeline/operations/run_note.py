"""A run's note for observers in other processes: its limits, how often it calls the vendor, and is put off.

Nothing depends on it. It is written now and then and never synced; what cannot be written or read is left out.
"""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pipeline.files import read_limited
from pipeline.json_values import Json

# Seconds between two notes, at least.
_INTERVAL = 2.0
_MINUTES = 30
_LARGEST = 64 << 10
_RUN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}Z .{1,50}\Z", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNote:
    """The note of the run with the name `run`.

    `calls` has the number of calls by minute (UTC, ISO 8601), `deferred` that of creates that the vendor put off.
    """

    run: str
    max_credits: int | None = None
    in_flight: int | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    deferred: Mapping[str, int] = field(default_factory=dict)


class NoteWriter:
    """Counts the calls of a run and keeps its note at `path`, from its first call on. Safe in many threads."""

    def __init__(
        self,
        path: Path,
        run: str,
        max_credits: int | None,
        clock: Callable[[], str],
        in_flight: int | None = None,
    ) -> None:
        self.note = RunNote(run=run, max_credits=max_credits, in_flight=in_flight)
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, int] = {}
        self._deferred: dict[str, int] = {}
        self._due = 0.0

    def on_call(self, _operation: str, outcome: str, _seconds: float) -> None:
        """One call of the vendor has ended."""
        minute = self._clock()[:16]
        with self._lock:
            self._calls[minute] = self._calls.get(minute, 0) + 1
            if outcome == "deferred":
                self._deferred[minute] = self._deferred.get(minute, 0) + 1
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + _INTERVAL
                self._write()

    def on_download(self, size: int) -> None:
        """A file has been fetched; its call counts, its bytes do not."""

    def finish(self) -> None:
        """Note what was counted since the last note."""
        with self._lock:
            if self._calls:
                self._write()

    def _write(self) -> None:
        self._calls = dict(sorted(self._calls.items())[-_MINUTES:])
        self._deferred = {each: count for each, count in self._deferred.items() if each in self._calls}
        self.note = replace(self.note, calls=self._calls, deferred=dict(self._deferred))
        document = asdict(self.note)
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        with suppress(OSError):
            unfinished.write_text(json.dumps(document), encoding="utf-8")
            unfinished.replace(self._path)


def read_note(path: Path) -> RunNote | None:
    """The note at `path`; None where there is none that can be read."""
    try:
        document: Json = json.loads(read_limited(path, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    run, calls = document.get("run"), _by_minute(document.get("calls"))
    deferred = _by_minute(document.get("deferred", {}))
    if not isinstance(run, str) or not _RUN.match(run) or calls is None or deferred is None:
        return None
    return RunNote(
        run=run,
        max_credits=_count(document.get("max_credits")),
        in_flight=_count(document.get("in_flight")),
        calls=calls,
        deferred=deferred,
    )


def _by_minute(value: Json) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    counted = {minute: count for minute, each in value.items() if (count := _count(each)) is not None}
    return counted if all(map(_MINUTE.fullmatch, counted)) else None


def _count(value: Json) -> int | None:
    return value if type(value) is int and value >= 0 else None

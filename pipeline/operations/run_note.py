"""A run's note for observers in other processes: its cap, and how often it calls the vendor.

Nothing depends on it. It is written now and then and never synced; what cannot be written or read is left out.
"""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
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
    """The note of the run with the name `run`. `calls` has the number of calls by minute (UTC, ISO 8601)."""

    run: str
    max_credits: int | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


class NoteWriter:
    """Counts the calls of a run and keeps its note at `path`, from its first call on. Safe in many threads."""

    def __init__(self, path: Path, run: str, max_credits: int | None, clock: Callable[[], str]) -> None:
        self.note = RunNote(run=run, max_credits=max_credits)
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, int] = {}
        self._due = 0.0

    def on_call(self, _operation: str, _outcome: str, _seconds: float) -> None:
        """One call of the vendor has ended."""
        minute = self._clock()[:16]
        with self._lock:
            self._calls[minute] = self._calls.get(minute, 0) + 1
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
        self.note = replace(self.note, calls=self._calls)
        document = {"run": self.note.run, "max_credits": self.note.max_credits, "calls": self._calls}
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
    run, cap, calls = document.get("run"), document.get("max_credits"), document.get("calls")
    if not isinstance(run, str) or not _RUN.match(run) or not isinstance(calls, dict):
        return None
    counted = {minute: count for minute, each in calls.items() if (count := _count(each)) is not None}
    if not all(map(_MINUTE.fullmatch, counted)):
        return None
    return RunNote(run=run, max_credits=_count(cap), calls=counted)


def _count(value: Json) -> int | None:
    return value if type(value) is int and value >= 0 else None

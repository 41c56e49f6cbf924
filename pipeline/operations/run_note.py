"""A run's note for observers in other processes: its limits and jobs, its vendor calls, and what it left undone.

The run does not depend on it. It is written every few seconds and never synced; read and write errors are ignored.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError, printable
from pipeline.files import read_limited
from pipeline.state.folder import make_folder

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json

# The least number of seconds between two notes.
_INTERVAL = 2.0
_MINUTES = 30
_LARGEST = 1 << 20
# A larger selection is not noted, since the note is rewritten every few seconds.
_MAX_SELECTED = 50_000
# Of jobs that were not bought, more are not noted.
_MAX_UNBOUGHT = 1_000
_SHORT_HASH = re.compile(r"[0-9a-f]{10}", re.ASCII)
_RUN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}Z .{1,50}\Z", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNote:
    """The note of the run with the name `run`.

    `calls` has the number of calls by minute (UTC, ISO 8601), `deferred` that of creates that the vendor deferred.
    `selected` has short hashes of the keys that it is limited to; None: all. `unbought` has, by the short hash of a
    key, why the run left the job to the next one.
    """

    run: str
    max_credits: int | None = None
    in_flight: int | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    deferred: Mapping[str, int] = field(default_factory=dict)
    selected: frozenset[str] | None = None
    unbought: Mapping[str, str] = field(default_factory=dict)

    def selects(self, key: JobKey) -> bool:
        """Whether the run includes the job of that key."""
        return self.selected is None or short_hash(key) in self.selected


def short_hash(key: JobKey) -> str:
    """The short form of a key in a note."""
    return hashlib.sha256(key.encode()).hexdigest()[:10]


class NoteWriter:
    """Counts the calls of a run and writes its note to `path`, from its first call on. Thread-safe.

    A run of a selection writes a first note of that.
    """

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

    def select(self, keys: Collection[JobKey] | None) -> None:
        """Note the keys that the run is limited to; None: all."""
        if keys is None or len(keys) > _MAX_SELECTED:
            return
        with self._lock:
            self.note = replace(self.note, selected=frozenset(map(short_hash, keys)))
            self._write()

    def leave(self, unbought: Mapping[JobKey, str]) -> None:
        """Note why the run, which ends, leaves these jobs to the next one."""
        first = itertools.islice(unbought.items(), _MAX_UNBOUGHT)
        with self._lock:
            self.note = replace(self.note, unbought={short_hash(key): printable(why) for key, why in first})
            if unbought:
                self._write()

    def on_call(self, _operation: str, outcome: str, _seconds: float) -> None:
        """Count a call to the vendor that has ended."""
        minute = self._clock()[:16]
        with self._lock:
            self._calls[minute] = self._calls.get(minute, 0) + 1
            if outcome == "deferred":
                self._deferred[minute] = self._deferred.get(minute, 0) + 1
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + _INTERVAL
                self._write()

    def on_download(self, size: int) -> None:
        """Do nothing: a download is counted as a call, its bytes are not."""

    def finish(self) -> None:
        """Write what was counted since the last note."""
        with self._lock:
            if self._calls:
                self._write()

    def _write(self) -> None:
        self._calls = dict(sorted(self._calls.items())[-_MINUTES:])
        self._deferred = {each: count for each, count in self._deferred.items() if each in self._calls}
        self.note = replace(self.note, calls=self._calls, deferred=dict(self._deferred))
        selected = self.note.selected
        document = {**asdict(self.note), "selected": None if selected is None else sorted(selected)}
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        with suppress(OSError, PipelineError):
            if not self._path.parent.exists():  # nothing else makes it, if the state is in a database
                make_folder(self._path.parent)
            unfinished.write_text(json.dumps(document), encoding="utf-8")
            unfinished.replace(self._path)


def read_note(path: Path) -> RunNote | None:
    """The note at `path`; None if there is none, or it cannot be read."""
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
    selected: Any = document.get("selected")
    if selected is not None and not _are_short_hashes(selected):
        return None
    unbought: Any = document.get("unbought", {})
    if not isinstance(unbought, dict) or not all(isinstance(why, str) for why in unbought.values()):
        return None
    return RunNote(
        run=run,
        max_credits=_count(document.get("max_credits")),
        in_flight=_count(document.get("in_flight")),
        calls=calls,
        deferred=deferred,
        selected=None if selected is None else frozenset(selected),
        unbought=unbought,
    )


def why_not_bought(path: Path) -> Callable[[JobKey], str | None]:
    """Why the run whose note is at `path` left a job to the next one; None if it did not, or if that is not known."""
    note = read_note(path)
    unbought = {} if note is None else note.unbought
    return lambda key: unbought.get(short_hash(key)) if unbought else None


def _are_short_hashes(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, str) and _SHORT_HASH.fullmatch(each) for each in value
    )


def _by_minute(value: Json) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    counted = {minute: count for minute, each in value.items() if (count := _count(each)) is not None}
    return counted if all(map(_MINUTE.fullmatch, counted)) else None


def _count(value: Json) -> int | None:
    return value if type(value) is int and value >= 0 else None

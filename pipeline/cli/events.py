"""`--events`: every step of every purchase as one JSON object a line, for other programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from pipeline.cli.terminal import as_json_text, say_json_text
from pipeline.errors import Unfinished, UsageError
from pipeline.jobs import Json
from pipeline.state.store import Change
from pipeline.state.transitions import event_name


class Events:
    """Where changes go that are on disk. What finds no room is told at the end, as the run must not end for it."""

    def __init__(self, target: str, file: TextIO | None) -> None:
        self._target = target
        self._file = file
        self._error: OSError | None = None

    def __call__(self, change: Change) -> None:
        if self._file is None:
            say_json_text(as_json_text(as_json(change)))
        elif self._error is None:
            try:
                print(json.dumps(as_json(change), ensure_ascii=False), file=self._file, flush=True)
            except OSError as error:
                self._error = error

    def assert_written(self) -> None:
        """Make sure that all of them found their place.

        Raises:
            Unfinished: one did not; what was to be done is done all the same.
        """
        if self._error is not None:
            raise Unfinished(f"--events {self._target}: cannot be written: {self._error.strerror}")


@contextmanager
def events_to(target: str) -> Iterator[Events]:
    """Events to stdout (`-`), or to the end of a file.

    Raises:
        UsageError: the file cannot be opened.
    """
    if target == "-":
        yield Events(target, None)
        return
    try:
        file = Path(target).open("a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"--events {target}: {error.strerror}") from error
    try:
        yield Events(target, file)
    finally:
        with suppress(OSError):  # what found no room before finds none now
            file.close()


def as_json(change: Change) -> dict[str, Json]:
    """One step of one purchase."""
    after = change.after
    written: dict[str, Json] = {
        "at": change.at,
        "purchase": after.id,
        "key": after.key,
        "event": event_name(change.event) if change.event is not None else "Intended",
        "from": change.before.status.value if change.before is not None else None,
        "to": after.status.value,
        "reason": after.reason.value if after.reason else None,
        "workflow_id": after.workflow_id,
        "credits": after.credits,
        "error": after.error,
    }
    return {name: value for name, value in written.items() if value is not None}

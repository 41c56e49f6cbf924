"""`--events`: every step of every purchase as one JSON object a line, for other programs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.cli.terminal import as_json_text, say
from pipeline.errors import Unfinished, UsageError
from pipeline.jobs import Json
from pipeline.state.store import Change


@contextmanager
def changes_to(target: str | None) -> Iterator[Callable[[Change], None]]:
    """Where changes go that are on disk: nowhere, to stdout (`-`), or to the end of a file.

    Raises:
        UsageError: the file cannot be written.
        Unfinished: it could not be written any more; what was to be done is done all the same.
    """
    if target is None:
        yield lambda _change: None
    elif target == "-":
        yield lambda change: say(as_json_text(as_json(change)))
    else:
        try:
            file = Path(target).open("a", encoding="utf-8")  # noqa: SIM115 - closed below
        except OSError as error:
            raise UsageError(f"--events {target}: {error.strerror}") from error
        errors: list[OSError] = []

        def write(change: Change) -> None:
            try:
                if not errors:
                    print(json.dumps(as_json(change), ensure_ascii=False), file=file, flush=True)
            except OSError as error:
                errors.append(error)

        try:
            yield write
        finally:
            with suppress(OSError):  # what found no room before finds none now
                file.close()
        if errors:
            raise Unfinished(f"--events {target}: cannot be written: {errors[0].strerror}")


def as_json(change: Change) -> dict[str, Json]:
    """One step of one purchase."""
    after = change.after
    written: dict[str, Json] = {
        "at": change.at,
        "purchase": after.id,
        "key": after.key,
        "event": type(change.event).__name__ if change.event is not None else "Intended",
        "from": change.before.status.value if change.before is not None else None,
        "to": after.status.value,
        "reason": after.reason.value if after.reason else None,
        "workflow_id": after.workflow_id,
        "credits": after.credits,
        "error": after.error,
    }
    return {name: value for name, value in written.items() if value is not None}

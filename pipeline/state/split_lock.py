"""A lock on the division of a campaign on this machine: the whole of it, or shards of one split."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import system
from pipeline.errors import InvalidInput, StateLocked
from pipeline.state.folder import beside, cannot_write, make_folder

_LONGEST_NOTE = 4096


@contextmanager
def hold_split(state: Path, *, split: str | None, since: str, command: str) -> Iterator[None]:
    """Keep out everybody who divides the campaign otherwise, while this lasts. `state` is that of the whole.

    `split` names how this run divides it: shards of one split run together. None is the whole of it, which runs
    alone (its own state's lock sees to that).

    Raises:
        StateLocked: a run that divides it otherwise is at work; the message says which.
        InvalidInput, Unfinished: the lock cannot be made.
    """
    path = beside(state, ".split.lock")
    descriptor = _open(path)
    try:
        _enter(descriptor, state, split or "the whole campaign", since, command)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    make_folder(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | system.PRIVATE | system.NO_FOLLOW, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error


def _enter(descriptor: int, state: Path, split: str, since: str, command: str) -> None:
    """Hold the lock shared, with a note in it that names this split.

    The first run writes the note. The kernel lets go of a lock before it takes the same one otherwise, so
    another may come in between and write a note of its own: each holder reads what is there then.
    """
    if _is_alone(descriptor):
        note = {"split": split, "pid": os.getpid(), "since": since, "command": command}
        os.ftruncate(descriptor, 0)
        system.write_at(descriptor, json.dumps(note).encode(), 0)
    # A run that holds it alone is about to share it, so this does not wait long.
    system.lock(descriptor, wait=True, shared=True)
    try:
        note = json.loads(system.read_at(descriptor, _LONGEST_NOTE, 0))
    except ValueError:
        note = {}
    if note.get("split") != split:
        who = "{split}, by pid {pid} since {since} ({command})".format_map(
            {name: note.get(name, "?") for name in ("split", "pid", "since", "command")}
        )
        raise StateLocked(
            f"{state}: in use by {who}; {split} cannot run beside it, as only shards of one number with the same "
            "jobs, prices, selection, caps and decisions can: wait for it to end, or stop it"
        )


def _is_alone(descriptor: int) -> bool:
    """Take the lock exclusively, if it is free.

    Raises:
        InvalidInput: there are no locks here.
    """
    try:
        system.lock(descriptor, wait=False)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise InvalidInput(f"this file system has no locks ({error.strerror})") from error
    return True

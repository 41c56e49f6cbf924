"""A lock on how a campaign is divided on this machine: run as a whole, or as shards of one split."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import system
from pipeline.errors import InvalidInput, StateLocked
from pipeline.state.folder import beside, cannot_write, make_folder

if TYPE_CHECKING:
    from pipeline.json_values import Json

_LONGEST_NOTE = 4096


@contextmanager
def hold_split(state: Path, *, split: str | None, since: str, command: str) -> Iterator[None]:
    """Exclude runs that divide the campaign in another way, for the duration of the block.

    `state` is that of the whole campaign. `split` names how this run divides it: shards of one split run together.
    None means the whole campaign, which runs alone (the lock on its state ensures that).

    Raises:
        StateLocked: a run that divides it in another way is at work; the message says which.
        InvalidInput, Unfinished: the lock file cannot be created, or not be locked.
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
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | system.PRIVATE | system.NO_FOLLOW, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{path}: not a regular file; remove it")
    return descriptor


def _enter(descriptor: int, state: Path, split: str, since: str, command: str) -> None:
    """Take the lock shared, with a note in the file that names this split.

    The first run writes the note while it holds the lock exclusively. The kernel releases a lock before it changes it
    to shared, so another run may write its own note in between: each holder therefore reads the note again.
    """
    if _is_alone(descriptor):
        note = {"split": split, "pid": os.getpid(), "since": since, "command": command}
        os.ftruncate(descriptor, 0)
        system.write_at(descriptor, json.dumps(note).encode(), 0)
    # A run that holds it exclusively is about to share it, so this does not wait long.
    system.lock(descriptor, wait=True, shared=True)
    found: Json = None
    with suppress(ValueError, RecursionError):
        found = json.loads(system.read_at(descriptor, _LONGEST_NOTE, 0))
    known = found if isinstance(found, dict) else {}
    if known.get("split") != split:
        who = "{split}, by pid {pid} since {since} ({command})".format_map(
            {name: known.get(name, "?") for name in ("split", "pid", "since", "command")}
        )
        raise StateLocked(
            f"{state}: in use by {who}; {split} cannot run beside it, as only shards of one number with the same "
            "jobs, prices, selection, caps and decisions can: wait for it to end, or stop it"
        )


def _is_alone(descriptor: int) -> bool:
    """Take the lock exclusively if it is free; return whether it was.

    Raises:
        InvalidInput: the file system has no locks.
    """
    try:
        system.lock(descriptor, wait=False)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise InvalidInput(f"this file system has no locks ({error.strerror})") from error
    return True

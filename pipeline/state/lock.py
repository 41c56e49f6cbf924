"""Allows one run at a time: a kernel lock on a file beside the state, released when its process ends."""

from __future__ import annotations

import errno
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline import system
from pipeline.errors import InvalidInput, StateLocked
from pipeline.state.folder import beside, cannot_write

_LONGEST_NOTE = 4096


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock on one state while it is held, until `release` or the end of the process."""

    path: Path
    descriptor: int

    @classmethod
    def acquire(cls, state: Path, *, since: str, command: str) -> Lock:
        """Take the lock `<state>.lock` without waiting. The file is never deleted.

        Raises:
            StateLocked: another process holds it; the message says who and since when.
            InvalidInput, Unfinished: the file cannot be created; see `cannot_write`.
        """
        path = beside(state, ".lock")
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | system.PRIVATE | system.NO_FOLLOW, 0o600)
            except OSError as error:
                raise cannot_write(path, error) from error
            try:
                system.lock(descriptor, wait=False)
            except OSError as error:
                note = system.read_at(descriptor, _LONGEST_NOTE, 0)
                os.close(descriptor)
                if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise StateLocked(f"{state}: {_described(note)}") from error
                raise InvalidInput(f"{path}: this file system has no locks ({error.strerror})") from error
            if _is_at(descriptor, path):
                break
            os.close(descriptor)  # the file was deleted meanwhile, so a lock on it would exclude nobody
        _note(descriptor, since, command)
        return cls(path, descriptor)

    def release(self) -> None:
        """Release the lock."""
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)  # the note would name a holder that no longer holds it
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, and since when (UTC, ISO 8601)."""

    pid: int
    since: str


def holder(state: Path) -> Holder | None:
    """The holder of the lock on `state`, from its note and the processes of this machine; takes no lock.

    None if it does not seem to be locked. For display only, as this may change at any time.
    """
    try:
        note = json.loads(beside(state, ".lock").read_bytes()[:_LONGEST_NOTE])
        found = Holder(int(note["pid"]), str(note["since"]))
        if note["host"] != platform.node() or not system.is_running(found.pid):
            return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return found


def is_going_on(state: Path) -> bool | None:
    """Whether the process that locked `state` goes on; None where that cannot be seen. For display only."""
    try:
        note = beside(state, ".lock").read_bytes()[:_LONGEST_NOTE]
    except FileNotFoundError:
        return False
    except OSError:
        return None
    if not note:
        return False  # it was released
    try:
        is_here = json.loads(note)["host"] == platform.node() and system.CAN_SEE_PROCESSES
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return holder(state) is not None if is_here else None


def is_held(state: Path) -> str | None:
    """Describe the holder of the lock; None if none is found. Creates no file, and keeps no lock."""
    try:
        descriptor = os.open(beside(state, ".lock"), os.O_RDWR | system.PRIVATE | system.NO_FOLLOW)
    except OSError:
        return None
    try:
        system.lock(descriptor, wait=False)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
            return None
        return _described(system.read_at(descriptor, _LONGEST_NOTE, 0))
    finally:
        os.close(descriptor)
    return None


def once_in_this_process(release: Callable[[], None]) -> Callable[[], None]:
    """Wrap `release` so that it does nothing in a forked child, which inherits open files that are not its own."""
    owner = os.getpid()

    def let_go() -> None:
        if os.getpid() == owner:
            release()

    return let_go


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _note(descriptor: int, since: str, command: str) -> None:
    note = {"pid": os.getpid(), "host": platform.node(), "since": since, "command": command}
    try:
        os.ftruncate(descriptor, 0)
        system.write_at(descriptor, json.dumps(note).encode(), 0)
    except OSError:
        pass  # the note is only for messages; a full disk must not prevent `collect`


def _described(note: bytes) -> str:
    try:
        holder = json.loads(note)
        who = "pid {pid} on {host} since {since} ({command})".format_map(
            {name: str(holder[name]) for name in ("pid", "host", "since", "command")}
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        who = "another process"
    return f"locked by {who}; wait for it to end, or stop it"

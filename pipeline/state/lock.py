"""One run at a time: a kernel lock beside the state, which dies with the process that holds it."""

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
    """The lock of one state, held. `release` gives it up, or the kernel does when the process ends."""

    path: Path
    descriptor: int

    @classmethod
    def acquire(cls, state: Path, *, since: str, command: str) -> "Lock":
        """Take the lock `<state>.lock`, at once or not at all. The file stays there for ever.

        Raises:
            StateLocked: another process holds it; the message says who and since when.
            InvalidInput, Unfinished: the file cannot be made; see `cannot_write`.
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
            os.close(descriptor)  # the file was deleted meanwhile: a lock on it would lock nothing
        _note(descriptor, since, command)
        return cls(path, descriptor)

    def release(self) -> None:
        """Let others in."""
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)  # not held any more
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, and since when (UTC, ISO 8601)."""

    pid: int
    since: str


def holder(state: Path) -> Holder | None:
    """The holder of the lock of `state`, by the note in it and the processes of this machine; takes no lock.

    None where it is not locked, as far as can be seen: for display only, as it may change at once.
    """
    try:
        note = json.loads(beside(state, ".lock").read_bytes()[:_LONGEST_NOTE])
        found = Holder(int(note["pid"]), str(note["since"]))
        if note["host"] != platform.node() or not system.is_running(found.pid):
            return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return found


def is_held(state: Path) -> str | None:
    """Describe the holder of the lock; None where none is seen. Creates no file, and keeps none locked."""
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
    """`release`, which does nothing in a forked child: it has a copy of what is open, and no business with it."""
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
        pass  # it is for the message only; a full disk must not keep `collect` from working


def _described(note: bytes) -> str:
    try:
        holder = json.loads(note)
        who = "pid {pid} on {host} since {since} ({command})".format_map(
            {name: str(holder[name]) for name in ("pid", "host", "since", "command")}
        )
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return f"locked by {who}; wait for it to end, or stop it"

"""Differences between operating systems: what Linux and macOS have, and Windows lacks."""

import errno
import importlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl: Any = _module("fcntl")

# Flags of `os.open`, zero if the system lacks them. Every call gets the first.
PRIVATE: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
NON_BLOCKING: int = getattr(os, "O_NONBLOCK", 0)
_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)

HAS_LOCKS = _fcntl is not None
_POSITIONED = hasattr(os, "pread") and hasattr(os, "pwrite")

MOVES_OPEN_FILES = HAS_LOCKS

# Advances while the machine sleeps, unlike the clock of `time.monotonic` on Linux.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

# None on Windows, where closing the terminal ends the process.
HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)

# Whether it can be checked that a process is running; on Windows, the check would interrupt it.
CAN_SEE_PROCESSES = HANG_UP is not None


def clock() -> float:
    """Monotonic seconds, which also advance while the machine sleeps."""
    return time.monotonic() if _CLOCK is None else float(getattr(time, "clock_gettime")(_CLOCK))  # noqa: B009


def open_folder(folder: os.PathLike[str] | str) -> int | None:
    """A descriptor of `folder`, to lock or sync it; None on Windows, which cannot open folders.

    Raises:
        OSError: it is missing, or not a folder.
    """
    return os.open(folder, os.O_RDONLY | _DIRECTORY | PRIVATE) if _DIRECTORY else None


def lock(descriptor: int, *, wait: bool, shared: bool = False) -> None:
    """Take the lock on an open file; the kernel releases it when the file is closed or the process ends.

    A `shared` lock excludes only exclusive ones. To change a held lock to the other kind releases it first.

    Raises:
        OSError: another process holds it (EWOULDBLOCK), or there are no locks on this system or file system.
    """
    if _fcntl is None:
        raise OSError(errno.ENOLCK, "use Linux, macOS or WSL for commands that write a state")
    mode = _fcntl.LOCK_SH if shared else _fcntl.LOCK_EX
    _fcntl.flock(descriptor, mode | (0 if wait else _fcntl.LOCK_NB))


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """At most `size` bytes of an open file from `offset`; on Windows, no other thread may use the file meanwhile."""
    if _POSITIONED:
        return bytes(getattr(os, "pread")(descriptor, size, offset))  # noqa: B009 - unknown to Windows
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def write_at(descriptor: int, content: bytes, offset: int) -> int:
    """Write some of `content` at `offset` of an open file, and return how many bytes; on Windows as `read_at`."""
    if _POSITIONED:
        return int(getattr(os, "pwrite")(descriptor, content, offset))  # noqa: B009
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, content)


def belongs_to_another(status: os.stat_result) -> bool:
    """Whether a file belongs to another user than that of this process; False on Windows, where this is unknown."""
    user = getattr(os, "geteuid", None)
    return user is not None and status.st_uid != user()


def leave_no_core() -> None:
    """Disable core dumps: the memory contains the key."""
    resource: Any = _module("resource")
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Block Ctrl-C and SIGHUP for threads and processes that are started in the block.

    This thread receives such signals when the block has ended.
    """
    if HANG_UP is None:
        yield
        return
    mask: Any = getattr(signal, "pthread_sigmask")  # noqa: B009 - unknown to Windows
    before = mask(getattr(signal, "SIG_BLOCK"), {signal.SIGINT, HANG_UP})  # noqa: B009
    try:
        yield
    finally:
        mask(getattr(signal, "SIG_SETMASK"), before)  # noqa: B009


def kill_self() -> None:
    """Kill this process as if the machine were lost: no cleanup runs, and nothing is saved."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def kill_group(leader: int) -> None:
    """Kill a process and what it started; on Windows, only the process.

    Raises:
        ProcessLookupError: there is no such process.
    """
    kill = getattr(os, "killpg", os.kill)
    kill(leader, getattr(signal, "SIGKILL", signal.SIGTERM))


def is_running(process: int) -> bool:
    """Whether there is a process with that id; False where that cannot be checked."""
    if not CAN_SEE_PROCESSES or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # that of another user
    except (OSError, OverflowError):
        return False
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Whether the process has ended but is still listed, as in a container whose first process waits for nobody."""
    try:
        status = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return False  # not Linux, or it has just ended
    return status.rpartition(")")[2].split()[:1] == ["Z"]

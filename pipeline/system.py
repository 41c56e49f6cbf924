"""Differences of operating systems: what Linux and macOS have and Windows has not."""

import errno
import importlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl: Any = _module("fcntl")

# Flags of `os.open`, zero where the system has none. Every call gets the first.
PRIVATE: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
NON_BLOCKING: int = getattr(os, "O_NONBLOCK", 0)
_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)

HAS_LOCKS = _fcntl is not None
_POSITIONED = hasattr(os, "pread") and hasattr(os, "pwrite")

MOVES_OPEN_FILES = HAS_LOCKS

# Goes on while the machine sleeps, unlike the one that `time.monotonic` reads on Linux.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

# None on Windows: a terminal that is closed ends the process there.
HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)


def clock() -> float:
    """Seconds that never jump, and that go on while the machine sleeps."""
    return time.monotonic() if _CLOCK is None else float(getattr(time, "clock_gettime")(_CLOCK))  # noqa: B009


def open_folder(folder: os.PathLike[str] | str) -> int | None:
    """A descriptor of `folder`, to lock or to sync it; None on Windows, which opens none.

    Raises:
        OSError: it is missing, or no folder.
    """
    return os.open(folder, os.O_RDONLY | _DIRECTORY | PRIVATE) if _DIRECTORY else None


def lock(descriptor: int, *, wait: bool, shared: bool = False) -> None:
    """Take the one lock of an open file; the kernel gives it up when the file is closed, or the process ends.

    One that is `shared` keeps out only who wants it alone. Taken again otherwise, it is let go of first.

    Raises:
        OSError: another process holds it (EWOULDBLOCK), or there are no locks here.
    """
    if _fcntl is None:
        raise OSError(errno.ENOLCK, "use Linux, macOS or WSL for commands that write a state")
    mode = _fcntl.LOCK_SH if shared else _fcntl.LOCK_EX
    _fcntl.flock(descriptor, mode | (0 if wait else _fcntl.LOCK_NB))


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """At most `size` bytes of an open file from `offset` on; on Windows only this thread may use it meanwhile."""
    if _POSITIONED:
        return bytes(getattr(os, "pread")(descriptor, size, offset))  # noqa: B009 - unknown to Windows
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def write_at(descriptor: int, content: bytes, offset: int) -> int:
    """Write some of `content` at `offset` of an open file, as `read_at`; how many bytes."""
    if _POSITIONED:
        return int(getattr(os, "pwrite")(descriptor, content, offset))  # noqa: B009
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, content)


def belongs_to_another(status: os.stat_result) -> bool:
    """Whether a file is of another user than the one who runs this; on Windows that is not known."""
    user = getattr(os, "geteuid", None)
    return user is not None and status.st_uid != user()


def leave_no_core() -> None:
    """Have a crash write no file of the memory: the key is in it."""
    resource: Any = _module("resource")
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Threads and processes that are started within this hear neither Ctrl-C nor the end of the terminal.

    This thread hears of them when it is over.
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
    """End this process as a lost machine does: nothing is run or saved on the way."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def kill_group(leader: int) -> None:
    """End a process and what it started, at once; on Windows the process alone.

    Raises:
        ProcessLookupError: there is none.
    """
    kill = getattr(os, "killpg", os.kill)
    kill(leader, getattr(signal, "SIGKILL", signal.SIGTERM))


def is_running(process: int) -> bool:
    """Whether there is a process of that number; False on Windows, where to ask would be to interrupt it."""
    if HANG_UP is None or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except (OSError, OverflowError):
        return False
    return True

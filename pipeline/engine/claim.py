"""Claims names for temporary files, so that no other process writes to them: an abandoned worker may still run."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline import system


@contextmanager
def claimed(beside: Path) -> Iterator[Path]:
    """Yield the path to name temporary files after: `beside`, or another path if a process holds that.

    The lock of a process that dies is released, so a partial download of `beside` can be resumed. Where the file
    system has no locks, it is always `beside`.
    """
    lock = beside.with_name(f"{beside.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | system.NO_FOLLOW | system.PRIVATE, 0o666)
    except OSError:
        yield beside  # the same obstacle is reported when the file itself is created
        return
    try:
        if not _is_held(descriptor, lock):
            yield beside.with_name(f"{beside.name}~{secrets.token_hex(4)}")
            return
        try:
            yield beside
        finally:
            with suppress(OSError):
                lock.unlink()
    finally:
        os.close(descriptor)


def _is_held(descriptor: int, lock: Path) -> bool:
    """Whether this process now holds the lock, and `lock` is still the same file, which others will try."""
    try:
        system.lock(descriptor, wait=False)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks on this file system
    try:
        return os.path.samestat(os.fstat(descriptor), lock.lstat())
    except OSError:
        return False

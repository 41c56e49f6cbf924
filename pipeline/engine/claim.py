"""Names for temporary files that no other process writes to: a worker that was given up may still be running."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline import system


@contextmanager
def claimed(beside: Path) -> Iterator[Path]:
    """The path to name temporary files after, for as long as this lasts: `beside`, or another where that is taken.

    A process that dies lets go of it, so that the part it fetched is continued. Without locks it is `beside`.
    """
    lock = beside.with_name(f"{beside.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | system.NO_FOLLOW | system.PRIVATE, 0o666)
    except OSError:
        yield beside  # what keeps a lock from being made is reported when the file is to be made
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
    """Whether the lock is this process's now, and still the one that others will try."""
    try:
        system.lock(descriptor, wait=False)
    except BlockingIOError:
        return False
    except OSError:
        return True  # there are none here
    try:
        return os.path.samestat(os.fstat(descriptor), lock.lstat())
    except OSError:
        return False

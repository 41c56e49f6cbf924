"""Files on this machine: read within limits, hashed, stamped, and written whole and durably."""

import glob
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline import failpoints, system
from pipeline.errors import UsageError, printable
from pipeline.schemes import assert_named_as

_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def open_regular(path: Path) -> int:
    """A descriptor for reading `path`, never blocking on it and never following what is not a file.

    Raises:
        OSError: missing, unreadable, or not a regular file (a folder, a FIFO, a device).
    """
    descriptor = os.open(path, os.O_RDONLY | system.NON_BLOCKING | system.PRIVATE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a regular file: {path}")
    return descriptor


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, at most `limit` of them.

    Raises:
        OSError: as `open_regular`.
        ValueError: it is larger, or Git LFS has left a pointer in its place.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        content = file.read(limit + 1)
    if is_lfs_pointer(content):
        raise ValueError("a Git LFS pointer, not the file itself; download it with 'git lfs pull'")
    if len(content) > limit:
        raise ValueError(f"larger than {limit:,} bytes")
    return content


def is_lfs_pointer(content: bytes) -> bool:
    """Whether Git LFS stores the file elsewhere, and this is what it leaves in its place."""
    return content.startswith(b"version https://git-lfs.github.com/spec/")


class Stamp(NamedTuple):
    """Identifies a version of a file without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def stamp(path: Path) -> Stamp | None:
    """The stamp of the file at `path`, to see whether it was replaced or written to; None where there is none."""
    try:
        return _stamp_of(path.stat())
    except OSError:
        return None


def _stamp_of(status: os.stat_result) -> Stamp:
    # Size and time of writing may be made to look alike; the time of the last change of an inode may not.
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps out others who ask for the same, for the moment that it takes to read a file in there and write it again.

    Where the system or its file system has no locks, it keeps out none.
    """
    descriptor = system.open_folder(folder)
    if descriptor is None:
        yield
        return
    try:
        with suppress(OSError):
            system.lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path | str) -> None:
    """Make the names in `folder` durable; where the system cannot, nothing is lost that was not before."""
    descriptor = system.open_folder(folder)
    if descriptor is None:
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems refuse to sync a folder
        pass
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Make `folder` and what is missing above it. `Path.mkdir` calls itself for each level, and a path may have many.

    Raises:
        OSError: one cannot be made, or something else lies there.
    """
    missing = []
    while not os.path.isdir(folder):  # noqa: PTH112 - unlike pathlib's, it takes a name that is too long for absent
        missing.append(folder)
        folder = folder.parent
        if folder == folder.parent:
            break
    for each in reversed(missing):
        each.mkdir(exist_ok=True)


def in_the_way(folder: Path) -> Path:
    """What is not a folder where one is needed: `folder`, or the first such on the way to it."""
    way = (*reversed(folder.parents), folder)
    return next((each for each in way if os.path.lexists(each) and not each.is_dir()), folder)


def write_atomically(path: Path, content: bytes) -> Stamp:
    """Write beside `path`, sync, and put it in place: a reader sees the old bytes or the new, never a part.

    Returns the stamp of what was put there, even if the file has been replaced since.

    Raises:
        OSError: it could not be written; what was there is untouched.
    """
    make_folders(path.parent)
    descriptor, temporary = open_temporary(path.parent, _unfinished(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_UMASK)
            failpoints.reach("before replace")
            written = _put_in_place(file, temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return written


def _put_in_place(file: BinaryIO, temporary: Path, path: Path) -> Stamp:
    """Move an open file; where the system does not move those, one that was closed."""
    if system.MOVES_OPEN_FILES:
        temporary.replace(path)
        return _stamp_of(os.fstat(file.fileno()))
    file.close()
    temporary.replace(path)
    return _stamp_of(path.stat())


def assert_writable(path: Path) -> None:
    """Make sure that `write_atomically` can put a file at `path`, as far as that can be known beforehand.

    Raises:
        OSError: it cannot.
    """
    make_folders(path.parent)
    with suppress(FileNotFoundError):  # a name may be too long to be one
        path.lstat()
    assert_takes_files(path.parent, _unfinished(path))


def what_is_in_the_way(folder: Path) -> str | None:
    """Why no file can be made in `folder`, which may have to be made first; None where nothing shows.

    Writes nothing.
    """
    for each in (folder, *folder.parents):
        try:
            mode = each.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            if each.is_symlink():
                return f"{each} is a link that leads nowhere"
            continue
        except OSError as error:
            return f"{each}: {error.strerror}"
        if not stat.S_ISDIR(mode):
            return f"{each} is not a folder"
        return None if os.access(each, os.W_OK | os.X_OK) else f"{each} is not writable for you"
    return None


def assert_takes_files(folder: Path, prefix: str) -> None:
    """Make sure that a file can be made in `folder`; one whose name begins with `prefix` is, and taken away again.

    Raises:
        OSError: it cannot.
    """
    descriptor, temporary = open_temporary(folder, prefix)
    os.close(descriptor)
    temporary.unlink()


def open_temporary(folder: Path, prefix: str) -> tuple[int, Path]:
    """A new file that only its owner can read, open for writing; its name is `prefix`, chance, and `.tmp`.

    Raises:
        OSError: it cannot be made.
    """
    path = folder / f"{prefix}{os.urandom(8).hex()}.tmp"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NO_FOLLOW | system.PRIVATE, 0o600), path


def assert_replaces(path: Path, is_own: Callable[[bytes], bool], kind: str) -> bool:
    """Make sure that what is to be written to `path` replaces nothing but an older file of its `kind`.

    Nor is a new one called like records, of which `kind` is none. Whether there is one. `is_own` tells by the
    first bytes of a file, a megabyte at most; an empty one is no loss.

    Raises:
        UsageError: something else lies there, which nobody could bring back; or it is a name for records.
        OSError: it cannot be read.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            head = file.read(_BLOCK)
    except FileNotFoundError:
        head = b""
    if not head.strip():
        assert_named_as(path)
        return False
    if not is_own(head):
        raise UsageError(
            f"{printable(str(path))}: not {kind}, so it is not overwritten; choose another place"
        )
    return True


def sweep(path: Path) -> None:
    """Remove what a killed `write_atomically` left beside `path`. It must not be written at the same time."""
    for leftover in path.parent.glob(f"{glob.escape(_unfinished(path))}*.tmp"):
        leftover.unlink(missing_ok=True)


def _unfinished(path: Path) -> str:
    return f".{path.name[:40]}."


def _read_umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# There is no way to read it but to set it for a moment, which is done once, before there are threads.
_UMASK = _read_umask()

"""Files on this machine: limited reads, hashes, stamps, and atomic, durable writes."""

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

LFS_POINTER = "a Git LFS pointer, not the file itself; download it with 'git lfs pull'"
_BLOCK = 1 << 20
_LFS_HEAD = b"version https://git-lfs.github.com/spec/"
# Of a temporary file's name: the random part as a pattern, and how many characters of the target's name it has.
_RANDOM_PART = "[0-9a-f]" * 16
_LONGEST_KEPT = 40


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def open_regular(path: Path) -> int:
    """Open `path` for reading if it is a regular file, without ever blocking; return the descriptor.

    Raises:
        OSError: it is missing, unreadable, or not a regular file (a folder, a FIFO, a device).
    """
    descriptor = os.open(path, os.O_RDONLY | system.NON_BLOCKING | system.PRIVATE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a regular file: {path}")
    return descriptor


class UnfitFile(ValueError):
    """What a file is that nobody can use: `larger than …`, `a Git LFS pointer, …`."""


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, which may have at most `limit`.

    Raises:
        OSError: as `open_regular`.
        UnfitFile: it is larger, or a Git LFS pointer.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        content = file.read(limit + 1)
    if is_lfs_pointer(content):
        raise UnfitFile(LFS_POINTER)
    if len(content) > limit:
        raise UnfitFile(f"larger than {limit:,} bytes")
    return content


def is_lfs_pointer(content: bytes) -> bool:
    """Whether this is a pointer that Git LFS leaves in place of the file itself."""
    return content.startswith(_LFS_HEAD)


def has_lfs_pointer(path: Path) -> bool:
    """Whether Git LFS left a pointer at `path`; only its first bytes are read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return is_lfs_pointer(file.read(len(_LFS_HEAD)))
    except OSError:
        return False


class FileStamp(NamedTuple):
    """Identifies a version of a file without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def stamp(path: Path) -> FileStamp | None:
    """The stamp of the file at `path`, which changes if it is replaced or written to; None if there is no file."""
    try:
        return _stamp_of(path.stat())
    except OSError:
        return None


def _stamp_of(status: os.stat_result) -> FileStamp:
    # Size and mtime can be forged; ctime cannot.
    return FileStamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Hold an exclusive lock on `folder`, for the short time that it takes to read and rewrite a file in it.

    Yields whether others are excluded: nobody is without locks on this system or file system.
    """
    descriptor = system.open_folder(folder)
    if descriptor is None:
        yield False
        return
    try:
        is_alone = False
        with suppress(OSError):
            system.lock(descriptor, wait=True)
            is_alone = True
        yield is_alone
    finally:
        os.close(descriptor)


def sync_folder(folder: Path | str) -> None:
    """Make the names in `folder` durable, if the system supports that."""
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
    """Create `folder` and its missing parents. `Path.mkdir` recurses for each level, and a path may have many.

    Raises:
        OSError: one cannot be created, or something else is in its place.
    """
    missing = []
    while not os.path.isdir(folder):  # noqa: PTH112 - unlike pathlib's, this returns False for a name that is too long
        missing.append(folder)
        folder = folder.parent
        if folder == folder.parent:
            break
    for each in reversed(missing):
        each.mkdir(exist_ok=True)


def in_the_way(folder: Path) -> Path:
    """The first of `folder` and its parents, from the top, that exists but is not a folder."""
    way = (*reversed(folder.parents), folder)
    return next((each for each in way if os.path.lexists(each) and not each.is_dir()), folder)


def write_atomically(path: Path, content: bytes) -> FileStamp:
    """Replace `path` atomically and durably: a reader sees either the old bytes or the new ones.

    Returns the stamp of the new file, even if another one has replaced it since.

    Raises:
        OSError: it could not be written; the old file is unchanged.
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


def _put_in_place(file: BinaryIO, temporary: Path, path: Path) -> FileStamp:
    """Move the file, and close it first if the system cannot move open files."""
    if system.MOVES_OPEN_FILES:
        temporary.replace(path)
        return _stamp_of(os.fstat(file.fileno()))
    file.close()
    temporary.replace(path)
    return _stamp_of(path.stat())


def assert_writable(path: Path) -> None:
    """Check that `write_atomically` can write to `path`, as far as that can be known beforehand.

    Raises:
        OSError: it cannot.
    """
    make_folders(path.parent)
    with suppress(FileNotFoundError):  # raises another OSError if the name is too long
        path.lstat()
    assert_takes_files(path.parent, _unfinished(path))


def what_is_in_the_way(folder: Path) -> str | None:
    """Why no file can be created in `folder`, which need not exist yet; None if no reason is found.

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
    """Check that a file can be created in `folder`, by creating one whose name begins with `prefix` and deleting it.

    Raises:
        OSError: it cannot.
    """
    descriptor, temporary = open_temporary(folder, prefix)
    os.close(descriptor)
    temporary.unlink()


def open_temporary(folder: Path, prefix: str) -> tuple[int, Path]:
    """Create and open a file that only its owner can access; its name is `prefix`, a random part, and `.tmp`.

    Raises:
        OSError: it cannot be created.
    """
    path = folder / f"{prefix}{os.urandom(8).hex()}.tmp"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NO_FOLLOW | system.PRIVATE, 0o600), path


def assert_replaces(path: Path, is_own: Callable[[bytes], bool], kind: str) -> bool:
    """Check that a file written to `path` replaces only an older one of its `kind`; return whether there is one.

    A new file must not have the name of a record, because `kind` is not one. `is_own` judges a file by its first
    bytes, a megabyte at most; an empty file may be replaced.

    Raises:
        UsageError: something else is at `path`, which would be lost; or the name is one for records.
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
    """Remove what a killed `write_atomically` left beside `path`, which must not be written at the same time."""
    for leftover in path.parent.glob(f"{glob.escape(_unfinished(path))}{_RANDOM_PART}.tmp"):
        leftover.unlink(missing_ok=True)


def _unfinished(path: Path) -> str:
    """How the names of temporary files for `path`, and for no other path beside it, begin."""
    name = path.name
    if len(name) > _LONGEST_KEPT:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()
        name = f"{name[:_LONGEST_KEPT]}~{digest[:8]}"
    return f".{name}."


def _read_umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# The umask can only be read by setting it for a moment, so this is done once, before there are threads.
_UMASK = _read_umask()

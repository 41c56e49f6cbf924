"""Checks that a file may be opened as a state: written by this tool, undamaged, and with all its commits."""

import contextlib
import os
import sqlite3
import struct
from pathlib import Path

from pipeline import system
from pipeline.errors import InvalidInput
from pipeline.files import LFS_POINTER, is_lfs_pointer
from pipeline.state import file_format, wal
from pipeline.state.folder import beside
from pipeline.state.state_file import (
    RESTORE,
    Identity,
    damaged,
    empty,
    explained,
    has_wal,
    migrate,
    reading,
)

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
# More runs than there can be, and well below SQLite's largest integer, beyond which adding one gives a float.
_MAX_EPOCHS = 2**53


def inspect(path: Path) -> None:
    """Check the file's header, without opening it as a database or changing it.

    Raises:
        InvalidInput: it is not a complete file written by this tool.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | system.NON_BLOCKING | system.PRIVATE)
    except OSError as error:
        raise InvalidInput(f"{path}: the state cannot be read ({error.strerror})") from error
    try:
        if not path.is_file():
            raise InvalidInput(f"{path}: not a file; --state names the state file itself")
        status, header = os.fstat(descriptor), system.read_at(descriptor, _HEADER, 0)
    finally:
        os.close(descriptor)
    if system.belongs_to_another(status):
        raise InvalidInput(f"{path}: belongs to another user; a state is written and read by its owner only")
    if not header:
        raise InvalidInput(f"{path}: the state file is empty; {RESTORE}")
    if is_lfs_pointer(header):
        raise InvalidInput(f"{path}: {LFS_POINTER}")
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise InvalidInput(f"{path}: not a state file of pipeline; {RESTORE}")
    (pages,) = struct.unpack_from(">I", header, 28)
    (version,) = struct.unpack_from(">i", header, 60)
    (application,) = struct.unpack_from(">I", header, 68)
    if application != file_format.APPLICATION_ID:
        raise InvalidInput(f"{path}: a database of another application; {RESTORE}")
    if version < 1:
        raise damaged(path, f"its tables have version {version}")
    if version > len(file_format.MIGRATIONS):
        raise InvalidInput(
            f"{path}: written by a newer version of pipeline; update pipeline, nothing was changed"
        )
    # While there is a -wal, a checkpoint may be incomplete, so that pages are still missing from the main file.
    if not has_wal(path) and status.st_size < pages * _page_size(header):
        raise InvalidInput(f"{path}: the state file is truncated; {RESTORE}")


def assert_wal_whole(path: Path) -> None:
    """Check that everything that a killed run has committed will be read. Only the holder of the lock can check this.

    Raises:
        InvalidInput: the `-wal` is damaged, so that SQLite would skip commits in it.
    """
    if not has_wal(path):
        return
    try:
        with path.open("rb") as main:
            size = _page_size(main.read(_HEADER))

            def page(number: int) -> bytes:
                return system.read_at(main.fileno(), size, (number - 1) * size)

            skips = wal.skips_commits(beside(path, "-wal").read_bytes(), size, page)
    except (OSError, struct.error, ValueError):
        return  # an unreadable file is reported when it is opened
    if skips:
        raise InvalidInput(
            f"{beside(path, '-wal')}: damaged, and it holds the latest purchases; nothing was changed; restore it "
            "and the state from a backup, or move both away: the next run then starts from the results manifest"
        )


def _page_size(header: bytes) -> int:
    (size,) = struct.unpack_from(">H", header, 16)
    return 65536 if size == 1 else int(size)


def copy_in_memory(path: Path) -> sqlite3.Connection:
    """A private copy in memory of what is committed now, migrated to the newest tables.

    Neither the file nor those beside it are written, and a run that holds the state is not disturbed.

    Raises:
        InvalidInput: it is not an undamaged state of this tool.
    """
    while True:
        before = _signature(path)
        try:
            inspect(path)
            copy = _copy(path)
        except (sqlite3.Error, UnicodeError, InvalidInput) as error:
            if _signature(path) != before:
                continue  # a run began or ended meanwhile
            if isinstance(error, InvalidInput):
                raise
            # These statements succeed on anything that this tool wrote, so a failure means damage.
            raise explained(path, error, otherwise=damaged(path, str(error))) from error
        if has_wal(path) or _signature(path) == before:
            return copy
        copy.close()


def _copy(path: Path) -> sqlite3.Connection:
    with contextlib.ExitStack() as opened:
        copy = opened.enter_context(contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)))
        with reading(path) as source:
            source.backup(copy)
        _assert_sound(path, copy)
        opened.pop_all()
    return copy


def identity(copy: sqlite3.Connection) -> Identity:
    """The identity in the state."""
    campaign, manifest = copy.execute("SELECT campaign, manifest FROM meta").fetchone()
    return Identity(campaign, manifest)


def _assert_sound(path: Path, copy: sqlite3.Connection) -> None:
    """Check that `copy` is undamaged and has the right tables, and migrate it.

    Raises:
        InvalidInput: it is damaged, or lacks its `-wal`.
    """
    # Not quick_check, which does not check indexes: rows that a damaged index misses would be neither read nor
    # updated.
    (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, verdict)
    migrate(copy)
    with contextlib.closing(empty()) as ours:
        if _tables(copy) != _tables(ours):
            raise damaged(path, "its tables are not those of a state")
    match copy.execute("SELECT campaign, manifest, epoch, dirty FROM meta").fetchall():
        case [(str(), str(), int() as epoch, 0 | 1 as dirty)] if epoch < _MAX_EPOCHS:
            pass
        case [(str(), str(), int(), 0 | 1)]:
            raise damaged(path, "it counts more runs than there can be")
        case _:
            raise damaged(path, "it does not name its campaign")
    if dirty and not has_wal(path):
        raise InvalidInput(
            f"{path}: the state file is here without its -wal file, which holds the latest purchases; "
            f"copy both, or `pipeline state export`; {RESTORE}"
        )


def _tables(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))


def _signature(path: Path) -> tuple[tuple[int, int, int], bool] | None:
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return (status.st_ino, status.st_size, status.st_mtime_ns), has_wal(path)
    return None

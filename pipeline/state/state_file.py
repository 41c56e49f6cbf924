"""The SQLite file: how it is created, read, opened for writing, and closed.

Three properties of SQLite shape this module. It takes an empty file for a new database, so each file is inspected
before it is opened. The latest commits are in the `-wal` file; while that is so, the main file has a flag, `dirty`. A
main file with the flag but without its `-wal` (a copy, a cache) has lost purchases, and is refused. And the last
connection to close folds the `-wal` into the main file, so commands that only read use a copy in memory.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline import failpoints, system
from pipeline.errors import InvalidInput, PipelineError, Unfinished
from pipeline.files import sync_folder
from pipeline.state import file_format
from pipeline.state.folder import beside, cannot_write

_BUSY_SECONDS = 10.0
# The tables in which something is recorded about a campaign.
RECORD_TABLES = ("purchases", "events", "served", "files", "durations")
RESTORE = (
    "nothing was changed; restore it from a backup, or move it away: "
    "the next run then starts from the results manifest (see docs/reference/errors.md#damaged-state)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The campaign that a state belongs to; `manifest` is relative to the state's folder."""

    campaign: str
    manifest: str


def create(path: Path, identity: Identity) -> None:
    """Create a new, empty state atomically. The caller holds the lock.

    Raises:
        InvalidInput, Unfinished: it cannot be written there; no state is created.
    """
    assert_nothing_left(path)
    # Only the holder of the lock creates this file, so an existing one was left by a killed process.
    unfinished = beside(path, ".new")
    try:
        for leftover in (unfinished, beside(unfinished, "-journal"), beside(unfinished, "-wal")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.PRIVATE, 0o600))
        with contextlib.closing(connect(unfinished, "mode=rw")) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            migrate(connection)
            connection.execute("INSERT INTO meta VALUES (?, ?, 0, 0)", (identity.campaign, identity.manifest))
            connection.execute("PRAGMA journal_mode=WAL")
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    except sqlite3.Error as error:
        raise explained(path, error) from error


def assert_nothing_left(path: Path) -> None:
    """Check that no `-wal` of a deleted state is left, which SQLite would apply to a new state.

    Raises:
        InvalidInput: there is one.
    """
    if os.path.lexists(beside(path, "-wal")):
        raise InvalidInput(f"{path}: the state file is missing, but its -wal file is here; {RESTORE}")


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the tables to the newest version, in one transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    for statement in (statement for each in file_format.MIGRATIONS[version:] for statement in each):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={file_format.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={len(file_format.MIGRATIONS)}")
    connection.execute("COMMIT")


def empty() -> sqlite3.Connection:
    """An empty state in memory, the result of reading a state that does not exist."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("INSERT INTO meta VALUES ('', '', 0, 0)")
    return connection


def damaged(path: Path, what: str) -> InvalidInput:
    """The error for a file that contains something that this tool cannot have written."""
    return InvalidInput(f"{path}: the state file is damaged ({what}); {RESTORE}")


def explained(path: Path, error: Exception, otherwise: PipelineError | None = None) -> PipelineError:
    """Translate an error of SQLite; to `otherwise` if neither its environment nor damage explains it."""
    name = getattr(error, "sqlite_errorname", "")
    what = f"{path}: {error} ({name})" if name else f"{path}: {error}"
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM")):
        return Unfinished(f"{what}; anything not written did not happen; fix that and run again")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return InvalidInput(f"{what}; the state and its folder must be writable by their owner")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return InvalidInput(f"{what}; {RESTORE}")
    is_not_text = not name and isinstance(
        error, sqlite3.OperationalError
    )  # the driver's own error for bad UTF-8
    if is_not_text or name.startswith("SQLITE_CONSTRAINT"):
        return damaged(path, str(error))
    return otherwise or PipelineError(what)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection with SQLite's URI parameter `mode`; never creates the file."""
    uri = f"file:{quote(os.fsencode(path))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    # Functions named in the schema of a foreign file are not run.
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection that changes no file, neither when it is opened nor when it is closed."""
    # Without a -wal, the main file is complete, and `immutable` prevents SQLite from creating one.
    with contextlib.closing(connect(path, "mode=ro" if has_wal(path) else "immutable=1")) as connection:
        yield connection


def has_wal(path: Path) -> bool:
    """Whether there may be commits in a `-wal` beside the main file."""
    # An empty `-wal` has no commits; while a run has commits that are not folded, it is never empty.
    with contextlib.suppress(FileNotFoundError):
        return beside(path, "-wal").stat().st_size > 0
    return False


class WritableFile:
    """The state file, open for writing by the one run that holds its lock."""

    def __init__(self, path: Path, manifest: str, *, is_new: bool = False) -> None:
        """Open a file that `copy_in_memory` has checked, and set the flag that it needs its `-wal`.

        `is_new`: this run has created it, so it is deleted again by `close` if nothing was recorded in it.

        Raises:
            InvalidInput, Unfinished: it cannot be written.
        """
        self.path = path
        self._is_new = is_new
        self._files = (str(path), str(beside(path, "-wal")))
        try:
            self._keep_backup_before_migration()
            self.connection = connect(path, "mode=rw")
        except sqlite3.Error as error:
            raise explained(path, error) from error
        try:
            self._begin(manifest)
            # The inode of an open file is not reused, so these show whether the file was replaced.
            self._inodes = self._current_inodes()
        except BaseException as error:
            # Also after a Ctrl-C: the flag may be set.
            self._close_without_folding()
            if isinstance(error, sqlite3.Error):
                raise explained(path, error) from error
            raise

    def _begin(self, manifest: str) -> None:
        # NORMAL could lose acknowledged commits in a power failure.
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("PRAGMA journal_mode=WAL")
        migrate(self.connection)
        with self.connection:
            self.connection.execute("UPDATE meta SET epoch = epoch + 1, dirty = 1, manifest = ?", (manifest,))
        (self.epoch,) = self.connection.execute("SELECT epoch FROM meta").fetchone()
        # FULL, not TRUNCATE: the -wal is then never empty, so an empty one is known not to be ours.
        self.connection.execute("PRAGMA wal_checkpoint(FULL)")

    def _keep_backup_before_migration(self) -> None:
        with reading(self.path) as source:
            (version,) = source.execute("PRAGMA user_version").fetchone()
            if version == len(file_format.MIGRATIONS):
                return
            backup = beside(self.path, f".v{version}.backup")
            backup.unlink(missing_ok=True)
            os.close(os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.PRIVATE, 0o600))
            with contextlib.closing(connect(backup, "mode=rw")) as copy:
                source.backup(copy)

    def assert_in_place(self) -> None:
        """Check that the path still names the file that this run writes to.

        Raises:
            InvalidInput: the file or its `-wal` was deleted or replaced during the run.
        """
        if self._current_inodes() != self._inodes:
            raise InvalidInput(
                f"{self.path}: the state was deleted or replaced while this run held it; "
                f"nothing more is bought; {RESTORE}"
            )

    def _current_inodes(self) -> tuple[tuple[int, int], ...] | None:
        try:
            found = [os.stat(each) for each in self._files]  # noqa: PTH116 - strings: this runs every turn
        except FileNotFoundError:
            return None
        return tuple((status.st_dev, status.st_ino) for status in found)

    def close(self) -> None:
        """Clear the flag and fold everything into the main file; if that fails, the `-wal` stays.

        A new state without any record is deleted: it would pass for one of a campaign that has run.
        """
        try:
            self.connection.rollback()
            if self._current_inodes() == self._inodes and self._clear_flag():
                failpoints.reach("before folding")
                is_unused = self._is_new and not self._has_records()
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self.connection.close()
                if is_unused:
                    self._delete()
                return
        except sqlite3.Error:
            pass  # a full disk: everything committed is in the -wal, and the next run continues from there
        self._close_without_folding()

    def _clear_flag(self) -> bool:
        """Clear the flag, unless another run has taken over the state; return whether it is cleared."""
        update = "UPDATE meta SET dirty = 0 WHERE epoch = ? RETURNING epoch"
        return self.connection.execute(update, (self.epoch,)).fetchall() != []

    def _has_records(self) -> bool:
        return any(
            self.connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - constants
            for table in RECORD_TABLES
        )

    def _delete(self) -> None:
        # The file itself last: without it, a `-wal` that is left would be taken for that of a lost state.
        with contextlib.suppress(OSError):
            for suffix in ("-wal", "-shm"):
                beside(self.path, suffix).unlink(missing_ok=True)
            sync_folder(self.path.parent)
            self.path.unlink(missing_ok=True)

    def _close_without_folding(self) -> None:
        # If the connection that can write is the last to close, it folds the -wal in and deletes it, and the flag
        # would then report a loss that never happened. So a read-only connection is closed last.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(self.path, "mode=ro")) as last:
            last.execute("SELECT epoch FROM meta").fetchone()
            self.connection.close()
        self.connection.close()

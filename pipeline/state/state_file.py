"""The SQLite file: what may be opened, how it comes into being, and how it is read.

Three traps decide what stands here. SQLite takes an empty file for a new database, so nothing is opened
before it was looked at. What was committed last lies in the `-wal` file, so the main file carries a flag,
`dirty`, while that is so; a main file with the flag and without its `-wal` (a copy, a cache) has lost
purchases and is refused. And the last connection to close folds the `-wal` into the main file, so commands
that only read work on a copy in memory.
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
RESTORE = (
    "nothing was changed; restore it from a backup, or move it away: "
    "the next run then knows what the results manifest knows (see docs/reference/errors.md#damaged-state)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose state it is; `manifest` is relative to the state's folder."""

    campaign: str
    manifest: str


def create(path: Path, identity: Identity) -> None:
    """Make a new, empty state and put it in place whole. The caller holds the lock.

    Raises:
        InvalidInput, Unfinished: it cannot be written there; nothing is left.
    """
    assert_nothing_left(path)
    # Only the holder of the lock comes here, so what bears this name was left by one that was killed.
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
    """Make sure that a state that does not exist never did: its `-wal` would be taken for a new one's.

    Raises:
        InvalidInput: the `-wal` of a state that is gone lies there.
    """
    if os.path.lexists(beside(path, "-wal")):
        raise InvalidInput(f"{path}: the state file is missing, but its -wal file is here; {RESTORE}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, in one transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    for statement in (statement for each in file_format.MIGRATIONS[version:] for statement in each):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={file_format.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={len(file_format.MIGRATIONS)}")
    connection.execute("COMMIT")


def empty() -> sqlite3.Connection:
    """A state in memory that knows nothing: what reading a state that does not exist gives."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("INSERT INTO meta VALUES ('', '', 0, 0)")
    return connection


def damaged(path: Path, what: str) -> InvalidInput:
    """The error of a file that says something that this tool has not written."""
    return InvalidInput(f"{path}: the state file is damaged ({what}); {RESTORE}")


def explained(path: Path, error: Exception, otherwise: PipelineError | None = None) -> PipelineError:
    """Translate an error of SQLite; `otherwise`, of one that is none of its environment's."""
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
    )  # the driver's own error, of bad UTF-8
    if is_not_text or name.startswith("SQLITE_CONSTRAINT"):
        return damaged(path, str(error))
    return otherwise or PipelineError(what)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection by SQLite's URI parameter `mode`, which never makes a file of itself."""
    uri = f"file:{quote(os.fsencode(path))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    # A function named in the schema of a file from elsewhere is not run.
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves no trace, neither by opening the file nor by closing it."""
    # Without a -wal the main file is all there is, and `immutable` keeps SQLite from making one.
    with contextlib.closing(connect(path, "mode=ro" if has_wal(path) else "immutable=1")) as connection:
        yield connection


def has_wal(path: Path) -> bool:
    """Whether commits may lie in a `-wal` beside the main file."""
    # An empty one holds nothing; while a run has unfolded commits it never is.
    with contextlib.suppress(FileNotFoundError):
        return beside(path, "-wal").stat().st_size > 0
    return False


class WritableFile:
    """The state file, open for writing by the one run that holds its lock."""

    def __init__(self, path: Path, manifest: str) -> None:
        """Open a file that `copy_in_memory` has found sound, and flag it as one that needs its `-wal`.

        Raises:
            InvalidInput, Unfinished: it cannot be written.
        """
        self.path = path
        self._files = (str(path), str(beside(path, "-wal")))
        try:
            self._keep_backup_before_migration()
            self.connection = connect(path, "mode=rw")
        except sqlite3.Error as error:
            raise explained(path, error) from error
        try:
            self._begin(manifest)
            # The number of an open file is not reused, so these show whether the file was replaced.
            self._inodes = self._look()
        except BaseException as error:
            # Also after a Ctrl-C: the flag may be on.
            self._close_without_folding()
            if isinstance(error, sqlite3.Error):
                raise explained(path, error) from error
            raise

    def _begin(self, manifest: str) -> None:
        # NORMAL would lose acknowledged commits when the power fails.
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("PRAGMA journal_mode=WAL")
        migrate(self.connection)
        with self.connection:
            self.connection.execute("UPDATE meta SET epoch = epoch + 1, dirty = 1, manifest = ?", (manifest,))
        (self.epoch,) = self.connection.execute("SELECT epoch FROM meta").fetchone()
        # FULL, not TRUNCATE: the -wal stays longer than nothing, so that an empty one is known as foreign.
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
        """Make sure that what we write to is still what the path names.

        Raises:
            InvalidInput: the file or its `-wal` was deleted or replaced under the run.
        """
        if self._look() != self._inodes:
            raise InvalidInput(
                f"{self.path}: the state was deleted or replaced while this run held it; "
                f"nothing more is bought; {RESTORE}"
            )

    def _look(self) -> tuple[tuple[int, int], ...] | None:
        try:
            looked = [os.stat(each) for each in self._files]  # noqa: PTH116 - texts, as this is asked in every turn
        except FileNotFoundError:
            return None
        return tuple((status.st_dev, status.st_ino) for status in looked)

    def close(self) -> None:
        """Fold everything into the main file, and take its flag off; where that fails, the `-wal` stays."""
        try:
            self.connection.rollback()
            if self._look() == self._inodes and self._take_flag_off():
                failpoints.reach("before folding")
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self.connection.close()
                return
        except sqlite3.Error:
            pass  # a full disk: all that is committed lies in the -wal, and the next run continues from there
        self._close_without_folding()

    def _take_flag_off(self) -> bool:
        """Whether the flag is off; another run that took the state over keeps its own."""
        update = "UPDATE meta SET dirty = 0 WHERE epoch = ? RETURNING epoch"
        return self.connection.execute(update, (self.epoch,)).fetchall() != []

    def _close_without_folding(self) -> None:
        # The last connection that can write would fold the -wal in and delete it, and the flag would then
        # report a loss that never was. So it must not be the last one.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(self.path, "mode=ro")) as last:
            last.execute("SELECT epoch FROM meta").fetchone()
            self.connection.close()
        self.connection.close()

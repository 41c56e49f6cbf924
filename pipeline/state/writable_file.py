"""The state file while a run writes it."""

import contextlib
import os
import sqlite3
from pathlib import Path

from pipeline import failpoints, system
from pipeline.errors import InvalidInput
from pipeline.state import file_format
from pipeline.state.lock import beside
from pipeline.state.state_file import RESTORE, connect, explained, migrate, reading


class WritableFile:
    """The state file, open for writing by the one run that holds its lock."""

    def __init__(self, path: Path, manifest: str) -> None:
        """Open a file that `copy_in_memory` has found sound, and flag it as one that needs its `-wal`.

        Raises:
            InvalidInput, Unfinished: it cannot be written.
        """
        self.path = path
        try:
            self._keep_backup_before_migration()
            self.connection = connect(path, "mode=rw")
        except sqlite3.Error as error:
            raise explained(path, error) from error
        try:
            self._begin(manifest)
            # A number of a file that is open is not given away again, so these tell a replaced file.
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
            looked = [each.stat() for each in (self.path, beside(self.path, "-wal"))]
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
        # tell of a loss that never was. So it must not be the last one.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(self.path, "mode=ro")) as last:
            last.execute("SELECT epoch FROM meta").fetchone()
            self.connection.close()
        self.connection.close()

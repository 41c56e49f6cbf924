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
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import InvalidInput, PipelineError, Unfinished
from pipeline.files import sync_folder
from pipeline.state import schema, wal
from pipeline.state.lock import beside, cannot_write

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_BUSY_SECONDS = 10.0
RESTORE = (
    "nothing was changed; restore it from a backup, or move it away: "
    "the next run then knows what the results manifest knows"
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
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
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
        raise InvalidInput(f"{path}: the state file is gone, but its -wal file is here; {RESTORE}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, in one transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    for statement in (statement for each in schema.MIGRATIONS[version:] for statement in each):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={len(schema.MIGRATIONS)}")
    connection.execute("COMMIT")


def empty() -> sqlite3.Connection:
    """A state in memory that knows nothing: what reading a state that does not exist gives."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("INSERT INTO meta VALUES ('', '', 0, 0)")
    return connection


def inspect(path: Path) -> None:
    """Look at the file without opening it as a database, and leave it as it is.

    Raises:
        InvalidInput: it is nothing that this tool wrote, or wrote whole.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInput(f"{path}: the state cannot be read ({error.strerror})") from error
    try:
        if not path.is_file():
            raise InvalidInput(f"{path}: not a file; --state names the state file itself")
        status, header = os.fstat(descriptor), os.pread(descriptor, _HEADER, 0)
    finally:
        os.close(descriptor)
    if status.st_uid != os.geteuid():
        raise InvalidInput(f"{path}: belongs to another user; a state is written and read by its owner only")
    if not header:
        raise InvalidInput(f"{path}: the state file is empty; {RESTORE}")
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise InvalidInput(f"{path}: not a state file of pipeline; {RESTORE}")
    (pages,) = struct.unpack_from(">I", header, 28)
    (version,) = struct.unpack_from(">i", header, 60)
    (application,) = struct.unpack_from(">I", header, 68)
    if application != schema.APPLICATION_ID:
        raise InvalidInput(f"{path}: a database of another application; {RESTORE}")
    if version < 1:
        raise damaged(path, f"its tables have version {version}")
    if version > len(schema.MIGRATIONS):
        raise InvalidInput(
            f"{path}: written by a newer version of pipeline; update pipeline, nothing was changed"
        )
    # While a -wal is there, the main file may be in the middle of taking it in.
    if not _has_wal(path) and status.st_size < pages * _page_size(header):
        raise InvalidInput(f"{path}: the state file is cut short; {RESTORE}")


def assert_wal_whole(path: Path) -> None:
    """Make sure that all that a killed run has committed will be read. Only the holder of the lock can tell.

    Raises:
        InvalidInput: the `-wal` was damaged, so that commits in it would be skipped.
    """
    if not _has_wal(path):
        return
    try:
        with path.open("rb") as main:
            size = _page_size(main.read(_HEADER))

            def page(number: int) -> bytes:
                return os.pread(main.fileno(), size, (number - 1) * size)

            skips = wal.skips_commits(beside(path, "-wal").read_bytes(), size, page)
    except (OSError, struct.error, ValueError):
        return  # what cannot be read is told when it is opened
    if skips:
        raise InvalidInput(
            f"{beside(path, '-wal')}: damaged, and it holds what was bought last; nothing was changed; "
            "restore it and the state from a backup"
        )


def _page_size(header: bytes) -> int:
    (size,) = struct.unpack_from(">H", header, 16)
    return 65536 if size == 1 else int(size)


def copy_in_memory(path: Path) -> sqlite3.Connection:
    """A private copy of what is committed now, up to date with the newest tables.

    Neither the file nor what lies beside it is written, and a run that holds the state is not disturbed.

    Raises:
        InvalidInput: it is not a whole state of this tool.
    """
    while True:
        before = _signature(path)
        try:
            inspect(path)
            copy = _copy(path)
        except (sqlite3.Error, UnicodeError, InvalidInput) as error:
            if _signature(path) != before:
                continue  # a run began or ended under our hands
            if isinstance(error, InvalidInput):
                raise
            # What this tool wrote can be read, so a statement that fails has met something else.
            raise explained(path, error, otherwise=damaged(path, str(error))) from error
        if _has_wal(path) or _signature(path) == before:
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
    """Whose state it is."""
    campaign, manifest = copy.execute("SELECT campaign, manifest FROM meta").fetchone()
    return Identity(campaign, manifest)


def damaged(path: Path, what: str) -> InvalidInput:
    """The error of a file that says something that this tool has not written."""
    return InvalidInput(f"{path}: the state file is damaged ({what}); {RESTORE}")


def explained(path: Path, error: Exception, otherwise: PipelineError | None = None) -> PipelineError:
    """What an error of SQLite's means for the run; `otherwise`, of one that is none of its environment's."""
    name = getattr(error, "sqlite_errorname", "")
    what = f"{path}: {error} ({name})" if name else f"{path}: {error}"
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM")):
        return Unfinished(f"{what}; what is not written did not happen; mend that and run again")
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
    uri = f"file:{quote(str(path))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    # A function named in the schema of a file from elsewhere is not run.
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves no trace, neither by opening the file nor by closing it."""
    # Without a -wal the main file is all there is, and `immutable` keeps SQLite from making one.
    with contextlib.closing(connect(path, "mode=ro" if _has_wal(path) else "immutable=1")) as connection:
        yield connection


def _assert_sound(path: Path, copy: sqlite3.Connection) -> None:
    """Make sure that all in `copy` can be believed as far as the database knows, and bring it up to date.

    Raises:
        InvalidInput: it cannot.
    """
    # Not quick_check, which looks into no index: what an index hides would be neither read nor written.
    (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, verdict)
    migrate(copy)
    with contextlib.closing(empty()) as ours:
        if _tables(copy) != _tables(ours):
            raise damaged(path, "its tables are not those of a state")
    match copy.execute("SELECT campaign, manifest, epoch, dirty FROM meta").fetchall():
        case [(str(), str(), int(), 0 | 1 as dirty)]:
            pass
        case _:
            raise damaged(path, "it does not say whose it is")
    if dirty and not _has_wal(path):
        raise InvalidInput(
            f"{path}: the state file is here without its -wal file, which holds what was bought last; "
            f"copy both, or `pipeline state export`; {RESTORE}"
        )


def _tables(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))


def _has_wal(path: Path) -> bool:
    # An empty one holds nothing; while a run has unfolded commits it never is.
    with contextlib.suppress(FileNotFoundError):
        return beside(path, "-wal").stat().st_size > 0
    return False


def _signature(path: Path) -> tuple[tuple[int, int, int], bool] | None:
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return (status.st_ino, status.st_size, status.st_mtime_ns), _has_wal(path)
    return None

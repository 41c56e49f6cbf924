"""The state as a file: what is refused and left alone, what is created, and what a crash leaves behind."""

import contextlib
import gc
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput, PipelineError, Unfinished
from pipeline.purchases import Records, WorkflowId
from pipeline.state import file_format
from pipeline.state.events import Accepted
from pipeline.state.opening import open_store
from pipeline.state.sql import statements
from pipeline.state.sql.sqlite import SqliteDatabase
from pipeline.state.sql.store import SqlStore
from pipeline.state.state_file import RECORD_TABLES, connect, empty
from state.conftest import NOW, StateHarness, begin, buy, intent, move, purchase


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The relevant content of a folder: every file except the lock and the reserve for rescued ids."""
    ours = (".lock", ".rescue.jsonl", "-shm")
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith(ours)
    }


def assert_refused(harness: StateHarness, *words: str) -> None:
    """Reading and writing are refused with one clear error, and the file stays as it was."""
    before = bytes_of(harness.state.parent)
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        message = str(caught.value)
        assert harness.state.name in message
        assert all(word in message for word in words), message
    assert bytes_of(harness.state.parent) == before


def connection_of(store: SqlStore) -> sqlite3.Connection:
    database = store._opened.database
    assert isinstance(database, SqliteDatabase)
    return database._connection


def a_state(harness: StateHarness) -> None:
    """A state that was closed properly, with enough content for several pages."""
    store = harness.open()
    begin(store, [intent(number) for number in range(1, 60)])
    store.close()


def header(offset: int, value: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(value.to_bytes(4, "big"))

    return write


def another_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE purchases (id TEXT)")
    connection.close()


def damage_in_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def damage_at_the_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "cut short": (lambda path: os.truncate(path, path.stat().st_size - 4096), "truncated"),
    "cut within a page": (lambda path: os.truncate(path, 5000), "truncated"),
    "cut within the header": (lambda path: os.truncate(path, 60), "not a state"),
    "text": (lambda path: path.write_text("purchases:\n" * 50), "not a state"),
    "another application's database": (another_database, "another application"),
    "a newer version": (header(60, len(file_format.MIGRATIONS) + 1), "newer"),
    "damaged": (damage_in_the_middle, "move it away"),
    "damaged at its end": (damage_at_the_end, "move it away"),
}


@fails_without(
    "pipeline.state.opening:_open_to_write",
    "is_new = campaign is not None",
    swap=("os.path.lexists(path", "(path.exists() and path.stat().st_size"),
)
@fails_without("pipeline.state.soundness:inspect", "if application != file_format")
@pytest.mark.parametrize("name", DAMAGES)
def test_invalid_state_file_is_rejected_and_unchanged(harness: StateHarness, name: str) -> None:
    a_state(harness)
    damage, word = DAMAGES[name]
    damage(harness.state)
    assert_refused(harness, word)


def test_state_with_an_exhausted_run_counter_is_rejected_and_unchanged(
    harness: StateHarness,
) -> None:
    a_state(harness)
    with contextlib.closing(sqlite3.connect(harness.state)) as connection, connection:
        connection.execute("UPDATE meta SET epoch = ?", (2**63 - 1,))
    assert_refused(harness, "damaged")


def test_outdated_sqlite_is_named(harness: StateHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    a_state(harness)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput, match=r"needs 3\.35 or newer"):
            attempt()


def test_folder_instead_of_the_state_is_rejected(harness: StateHarness) -> None:
    harness.state.mkdir(parents=True)
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput, match="--state"):
            attempt()


@pytest.mark.parametrize("where", ["state", "folder"])
def test_link_to_nothing_is_not_taken_for_a_state_that_does_not_exist_yet(
    harness: StateHarness, tmp_path: Path, where: str
) -> None:
    link = harness.state if where == "state" else harness.state.parent
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "not mounted")
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput, match="this link leads to nothing"):
            attempt()
    assert not (tmp_path / "not mounted").exists()


def test_fifo_instead_of_the_state_is_rejected_without_blocking(harness: StateHarness) -> None:
    harness.state.parent.mkdir()
    os.mkfifo(harness.state)
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput):
            attempt()


def test_file_of_another_user_is_rejected(harness: StateHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    a_state(harness)
    # Only root could change the file's owner, but any process can appear to be another user.
    monkeypatch.setattr(os, "geteuid", lambda: harness.state.stat().st_uid + 1)
    assert_refused(harness, "owner")


def test_function_in_a_foreign_schema_is_not_run(harness: StateHarness) -> None:
    a_state(harness)
    ran: list[bool] = []
    with contextlib.closing(sqlite3.connect(harness.state)) as theirs:
        theirs.create_function("leak", 0, lambda: None)
        theirs.execute("CREATE VIEW trap AS SELECT leak() AS secret")
    with contextlib.closing(connect(harness.state, "mode=rw")) as ours:
        ours.create_function("leak", 0, lambda: ran.append(True))
        with pytest.raises(sqlite3.OperationalError, match="unsafe"):
            ours.execute("SELECT * FROM trap").fetchall()
    assert ran == []


@fails_without("pipeline.state.opening:_identified", "if campaign is not None and")
def test_state_of_another_campaign_is_rejected(harness: StateHarness) -> None:
    a_state(harness)
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput, match=r"'spring'.*'summer'"):
            attempt(campaign="summer")


@fails_without("pipeline.state.opening:_identified", "if os.path.exists(other) and (not")
def test_state_of_another_existing_manifest_is_rejected(harness: StateHarness) -> None:
    a_state(harness)
    other = harness.folder / "other.yaml"
    other.write_text("version: 1\nname: spring\n")
    for attempt in (harness.read, harness.open):
        with pytest.raises(InvalidInput, match=r"spring\.yaml"):
            attempt(manifest=other)


def test_state_follows_a_renamed_manifest(harness: StateHarness) -> None:
    a_state(harness)
    renamed = harness.manifest.rename(harness.folder / "renamed.yaml")
    assert len(harness.read(manifest=renamed).records().purchases) == 59
    harness.open(manifest=renamed).close()
    harness.manifest.write_text("version: 1\nname: spring\n")
    with pytest.raises(InvalidInput, match=r"renamed\.yaml"):
        harness.read()


def test_moved_folder_keeps_its_state(harness: StateHarness, tmp_path: Path) -> None:
    a_state(harness)
    moved = StateHarness(tmp_path / "moved")
    moved.folder.mkdir()
    for each in (harness.manifest, harness.state.parent):
        each.rename(moved.folder / each.name)
    harness.manifest.write_text("the old place is taken by another")
    assert len(moved.read().records().purchases) == 59


def test_state_can_be_opened_without_its_manifest(harness: StateHarness) -> None:
    a_state(harness)
    store = open_store(harness.state, campaign=None, manifest=None, run="r", writable=True, now=NOW)
    harness.opened.append(store)
    assert store.campaign == "spring"
    assert len(store.records().purchases) == 59


def test_state_opened_without_a_manifest_must_exist(harness: StateHarness) -> None:
    for writable in (False, True):
        with pytest.raises(InvalidInput, match="no such state"):
            open_store(harness.state, campaign=None, manifest=None, run="r", writable=writable, now=NOW)
    assert not harness.state.parent.exists()


def test_reading_a_missing_state_is_empty_and_creates_nothing(harness: StateHarness) -> None:
    store = harness.read()
    assert store.records() == Records()
    assert store.durations() == {}
    store.close()
    assert [path.name for path in harness.folder.iterdir()] == ["spring.yaml"]


def test_reading_writes_nothing(harness: StateHarness) -> None:
    a_state(harness)
    before = {path.name: path.stat().st_mtime_ns for path in harness.state.parent.iterdir()}
    harness.read().close()
    assert {path.name: path.stat().st_mtime_ns for path in harness.state.parent.iterdir()} == before


def test_new_state_is_private_and_ignored_by_git(harness: StateHarness) -> None:
    old = os.umask(0o022)
    try:
        store = harness.open()
        buy(store)
    finally:
        os.umask(old)
    folder = harness.state.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    for path in folder.iterdir():
        if path.name != ".gitignore":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_existing_folder_is_unchanged(harness: StateHarness, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    state = tmp_path / "mine" / "s.db"
    open_store(state, campaign="spring", manifest=harness.manifest, run="r", writable=True, now=NOW).close()
    assert not (tmp_path / "mine" / ".gitignore").exists()


def test_half_created_state_of_a_killed_run_is_removed(harness: StateHarness) -> None:
    harness.state.parent.mkdir()
    (harness.state.parent / "spring.db.new").write_bytes(b"half")
    assert harness.open().records() == Records()
    assert not (harness.state.parent / "spring.db.new").exists()


def test_cleanly_closed_state_is_one_file(harness: StateHarness) -> None:
    a_state(harness)
    assert set(bytes_of(harness.state.parent)) == {".gitignore", "spring.db"}
    copy = harness.folder / "copy.db"
    shutil.copy(harness.state, copy)
    reading = open_store(copy, campaign="spring", manifest=None, run="", writable=False, now=NOW)
    assert len(reading.records().purchases) == 59


@fails_without("pipeline.state.soundness:_assert_sound", "if dirty and (not has_wal")
def test_main_file_of_an_unclosed_state_is_rejected_without_its_wal(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    shutil.copytree(harness.state.parent, harness.folder / "killed")
    store.close()
    shutil.rmtree(harness.state.parent)
    (harness.folder / "killed").rename(harness.state.parent)
    assert list(harness.read().records().purchases) == [bought.id]
    wal = harness.wal.read_bytes()
    harness.wal.unlink()
    assert_refused(harness, "-wal")
    harness.wal.write_bytes(b"")
    assert_refused(harness, "-wal")
    harness.wal.write_bytes(wal)
    assert list(harness.open().records().purchases) == [bought.id]


def test_reading_a_state_that_a_run_has_just_opened_finds_it_complete(harness: StateHarness) -> None:
    a_state(harness)
    harness.open("run-2")
    assert len(harness.read().records().purchases) == 59


@fails_without("pipeline.state.state_file:assert_nothing_left", "if os.path.lexists(beside")
def test_wal_without_its_state_is_not_used_for_a_new_one(harness: StateHarness) -> None:
    store = harness.open()
    buy(store)
    wal = harness.wal.read_bytes()
    store.close()
    harness.state.unlink()
    harness.wal.write_bytes(wal)
    assert_refused(harness, "-wal")
    assert not harness.state.exists()


def replace_with_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


@fails_without(
    "pipeline.state.state_file:WritableFile.assert_in_place", "if self._current_inodes() != self._inodes"
)
@fails_without(
    "pipeline.state.state_file:WritableFile.__init__",
    "self._files =",
    swap=(", str(beside(path, '-wal'))", ","),
)
@pytest.mark.parametrize("which", ["state", "wal"])
@pytest.mark.parametrize("harm", [Path.unlink, replace_with_a_copy])
def test_state_deleted_or_replaced_under_a_run_stops_it_before_sending(
    harness: StateHarness, which: str, harm: Callable[[Path], None]
) -> None:
    store = harness.open()
    bought = buy(store)
    harm(harness.state if which == "state" else harness.wal)
    with pytest.raises(InvalidInput, match="deleted or replaced"):
        begin(store, [intent(2)])
    with pytest.raises(InvalidInput, match="deleted or replaced"):
        move(store, bought, Accepted(WorkflowId("w1")))


def test_unclosed_state_is_closed_when_garbage_collected(harness: StateHarness) -> None:
    bought = buy(harness.open())
    harness.opened.clear()
    assert set(bytes_of(harness.state.parent)) == {".gitignore", "spring.db"}
    assert list(harness.open("run-2").records().purchases) == [bought.id]


def test_interrupt_in_a_transaction_rolls_it_back(
    harness: StateHarness,
) -> None:
    store = harness.open()
    bought = buy(store)

    def interrupt(_self: object, statement: str, _values: object) -> None:
        if statement is statements.ADD_EVENT:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqliteDatabase, "execute_many", interrupt)
        with pytest.raises(KeyboardInterrupt):
            begin(store, [intent(2)])

    assert list(store.records().purchases) == [bought.id]
    third = buy(store, 3)
    assert list(harness.again(store).records().purchases) == [bought.id, third.id]


@pytest.mark.parametrize(
    "where",
    [
        "pipeline.state.state_file.WritableFile._current_inodes",
        "pipeline.state.sql.sqlite.SqliteDatabase.__init__",
    ],
)
def test_interrupt_while_opening_leaves_a_usable_state(
    harness: StateHarness, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    store = harness.open()
    bought = buy(store)
    store.close()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            harness.open("run-2")
    gc.collect()  # as at the end of the process

    assert list(harness.read().records().purchases) == [bought.id]
    assert list(harness.open("run-3").records().purchases) == [bought.id]


def test_close_on_a_full_disk_leaves_a_usable_state(
    harness: StateHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = harness.open()
    bought = buy(store)
    raw = connection_of(store)
    raw.execute("PRAGMA query_only=ON")  # the commit that removes the mark fails, as on a full disk
    store.close()
    assert harness.wal.stat().st_size > 0
    assert list(harness.open("run-2").records().purchases) == [bought.id]


def test_full_disk_writes_nothing_of_a_batch_and_the_state_stays_usable(
    harness: StateHarness,
) -> None:
    store = harness.open()
    bought = buy(store)
    raw = connection_of(store)
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    raw.execute(f"PRAGMA max_page_count={pages + 2}")
    many = [intent(number) for number in range(2, 200)]
    with pytest.raises(Unfinished, match="full"):
        begin(store, many)
    assert list(store.records().purchases) == [bought.id]
    moved = move(store, bought, Accepted(WorkflowId("w1")))
    raw.execute("PRAGMA max_page_count=100000")
    assert begin(store, many) == [each.purchase for each in many]
    assert store.records().purchases[bought.id] == moved


WITHOUT_ROOM = """
import resource, signal, sys
from pathlib import Path
from pipeline.errors import Unfinished
from pipeline.state.events import Accepted
from state.conftest import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
harness = StateHarness(Path(sys.argv[1]))
store = harness.open()
bought = buy(store)
largest = max(path.stat().st_size for path in harness.state.parent.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
committed = 0
try:
    for number in range(2, 500):
        begin(store, [intent(number)])
        committed += 1
except Unfinished:
    store.rescue(bought.id, "w-rescued")
    print(committed)
"""


def test_id_of_a_paid_workflow_is_rescued_if_the_state_cannot_grow(harness: StateHarness) -> None:
    committed = int(_python(WITHOUT_ROOM, harness.folder))
    store = harness.open("run-2")
    assert len(store.records().purchases) == committed + 1
    rescued = {change.after.id: change.after.workflow_id for change in store.recover(NOW)}
    assert rescued[purchase().id] == "w-rescued"


READ_ONLY_FOLDER = """
import os, sys
from pathlib import Path
from pipeline.errors import InvalidInput
from state.conftest import *

if os.geteuid() == 0:
    os.setuid(65534)
harness = StateHarness(Path(sys.argv[1]))
try:
    harness.open()
except InvalidInput as error:
    print(error)
"""


@pytest.mark.parametrize("exists", [False, True])
def test_read_only_folder_is_reported_before_anything_is_sent(harness: StateHarness, exists: bool) -> None:
    # A state of an ordinary user who may no longer write to its folder.
    for each in (harness.folder, *list(harness.folder.parents)[:2]):
        each.chmod(0o755)
    if exists:
        a_state(harness)
        for path in (harness.state.parent, *harness.state.parent.iterdir()):
            os.chown(path, 65534 if os.geteuid() == 0 else -1, -1)
            path.chmod(0o555 if path.is_dir() else 0o444)
    harness.folder.chmod(0o555)
    try:
        told = _python(READ_ONLY_FOLDER, harness.folder)
        assert "cannot be written" in told
    finally:
        for path in (harness.folder, harness.state.parent):
            if path.exists():
                path.chmod(0o755)


def test_older_state_is_migrated_and_kept_as_a_backup(
    harness: StateHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_state(harness)
    old, version = harness.state.read_bytes(), len(file_format.MIGRATIONS)
    added = ("ALTER TABLE purchases ADD COLUMN colour TEXT",)
    monkeypatch.setattr(file_format, "MIGRATIONS", (*file_format.MIGRATIONS, added))
    assert len(harness.read().records().purchases) == 59
    assert harness.state.read_bytes() == old
    store = harness.open()
    assert len(store.records().purchases) == 59
    backup = harness.state.with_name(f"spring.db.v{version}.backup")
    with sqlite3.connect(f"file:{backup}?immutable=1", uri=True) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (version,)
        assert kept.execute("SELECT count(*) FROM purchases").fetchone() == (59,)
    kept.close()
    store.close()
    with sqlite3.connect(harness.state) as upgraded:
        assert upgraded.execute("SELECT colour FROM purchases LIMIT 1").fetchone() == (None,)
    upgraded.close()


def test_failed_migration_changes_nothing(harness: StateHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    a_state(harness)
    added = ("ALTER TABLE purchases ADD COLUMN colour TEXT", "ALTER TABLE nowhere ADD COLUMN colour TEXT")
    monkeypatch.setattr(file_format, "MIGRATIONS", (*file_format.MIGRATIONS, added))
    with pytest.raises(PipelineError, match="nowhere"):
        harness.open()
    monkeypatch.undo()
    store = harness.open()
    assert len(store.records().purchases) == 59
    store.close()
    monkeypatch.setattr(file_format, "MIGRATIONS", (*file_format.MIGRATIONS, added[:1]))
    assert len(harness.open().records().purchases) == 59


def _python(source: str, *arguments: object) -> str:
    unit = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        env={"PYTHONPATH": os.pathsep.join(map(str, (unit, unit.parent, unit.parents[1])))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_record_table_protects_a_new_state_from_deletion() -> None:
    tables = {name for (name,) in empty().execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    # These say which state it is and what its results were made from: no record of a campaign.
    assert tables - {"meta", "results"} == set(RECORD_TABLES)

"""A changed byte or value in a state is rejected with one clear error or has no effect."""

import contextlib
import itertools
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput
from pipeline.purchases import UNDECIDED, PurchaseId, Records, Status
from pipeline.records import SHA256
from pipeline.results.document import media_json
from pipeline.state import snapshot, wal
from pipeline.state.events import Superseded
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import KnownResults, Turn
from state.conftest import NOW, UNCAPPED, StateHarness, buy, intent, step

GOLDEN = Path(__file__).parents[2] / "golden" / "state" / "v1"
FLIPS = 240
COLUMNS = [
    ("meta", "campaign"),
    ("meta", "manifest"),
    ("meta", "epoch"),
    ("meta", "dirty"),
    *(
        ("purchases", column)
        for column in ("id", "revision", "status", "reason", "key", "fingerprint", "cost", "run", "document")
    ),
    *(("events", column) for column in ("purchase", "revision", "at", "event", "before", "after", "detail")),
    ("served", "key"),
    ("served", "purchase"),
    *(("files", column) for column in ("path", "purchase", "slot", "sha256", "bytes", "mtime_ns")),
    ("durations", "template_id"),
    ("durations", "count"),
    ("durations", "mean"),
]
TEXTS = [
    ("purchases", "document"),
    ("purchases", "run"),
    *(("events", column) for column in ("purchase", "at", "event", "before", "after", "detail")),
    ("served", "key"),
    ("served", "purchase"),
    *(("files", column) for column in ("path", "purchase", "slot", "sha256")),
    ("durations", "template_id"),
]
VALUES = {
    "null": "NULL",
    "a text": "'damaged' || char(0)",
    "a long text": "hex(zeroblob(2500))",
    "no UTF-8": "CAST(x'ff00fe' AS TEXT)",
    "bytes": "x'ff00fe'",
    "a number": "-7",
    "an infinity": "9e999",
}


def in_place(harness: StateHarness, *, killed: bool = False) -> None:
    shutil.copy(GOLDEN / "campaign.yaml", harness.manifest)
    harness.state.parent.mkdir(exist_ok=True)
    for left in harness.state.parent.iterdir():
        left.unlink()
    for path in (GOLDEN / "killed").iterdir() if killed else [GOLDEN / "spring.db"]:
        shutil.copy(path, harness.state.parent / path.name)


def read_all(store: SqlStore) -> Records:
    """Read everything in a state."""
    for told in (store.files(), store.durations(), store.export(), store.events(PurchaseId("0" * 15 + "1"))):
        assert told
    return store.records()


def write_all(store: SqlStore) -> None:
    """Write to each table of a state, as a run does."""
    store.recover(NOW)
    held = store.absorb(Records(), UNDECIDED, NOW).purchases.values()
    flags = [step(each, Superseded()) for each in held if each.status is not Status.VOID]
    durations = [(template_id, 1.0) for template_id in store.durations()]
    turn = Turn(changes=flags, intents=[intent(99)], files=store.files(), durations=durations)
    store.commit_turn(turn, UNCAPPED)
    store.save_assignment({each.key: each.id for each in held}, KnownResults(joined="a", inputs="b"))


def attempts(harness: StateHarness) -> Iterator[str | None]:
    """The error of a command that reads, then of one that writes; None if there is none."""
    before = harness.state.read_bytes()
    for writable in (False, True):
        try:
            store = harness.open("run-9") if writable else harness.read()
        except InvalidInput as error:
            assert harness.state.read_bytes() == before, "a state that is refused was changed"
            yield str(error)
            continue
        with contextlib.closing(store):
            try:
                read_all(store)
                if writable:
                    write_all(store)
            except InvalidInput as error:
                yield str(error)
            else:
                yield None


def flipped(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    damaged[rng.randrange(len(damaged))] ^= rng.randrange(1, 256)
    return bytes(damaged)


@pytest.mark.parametrize(("killed", "flips"), [(False, FLIPS), (True, FLIPS // 4)])
def test_changed_byte_is_reported_or_harmless(harness: StateHarness, killed: bool, flips: int) -> None:
    rng, refused = random.Random(12), 0
    for number in range(flips):
        in_place(harness, killed=killed)
        harness.state.write_bytes(flipped(harness.state.read_bytes(), rng))
        # Writing checks more, and takes longer.
        for told in itertools.islice(attempts(harness), 2 if number % 4 == 0 else 1):
            assert told is None or "spring.db" in told
            refused += told is not None
    assert refused


def damage(harness: StateHarness, statement: str) -> bool:
    """Change the state directly; False if the tables themselves refuse that."""
    with contextlib.closing(sqlite3.connect(harness.state)) as connection:
        try:
            connection.execute(statement)
        except sqlite3.IntegrityError:
            return False
        connection.commit()
    return True


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_invalid_value_is_reported(harness: StateHarness, table: str, column: str, value: str) -> None:
    in_place(harness)
    # Only one row, as most columns cannot hold the same value twice.
    if not damage(harness, f"UPDATE {table} SET {column} = {VALUES[value]} WHERE rowid = 1"):
        return
    told = list(attempts(harness))
    assert all(each is None or "spring.db" in each for each in told)
    # Only the order of events depends on their revision.
    if value in {"bytes", "no UTF-8"} and (table, column) != ("events", "revision"):
        assert all(told)


def documents(harness: StateHarness) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(harness.state)) as connection:
        (text,) = connection.execute("SELECT document FROM purchases WHERE rowid = 1").fetchone()
    document: dict[str, Any] = json.loads(text)
    return document


SHAPES: dict[str, type] = {
    **dict.fromkeys(("inputs", "replaces", "outputs", "steps"), list),
    **dict.fromkeys(("deleted", "removed", "again"), bool),
    "request": dict,
    "credits": int,
}


def fields() -> list[str]:
    """Every field of a purchase in the export."""
    written = json.loads((GOLDEN / "spring.export.json").read_bytes())["purchases"]
    return sorted({name for purchase in written for name in purchase})


@pytest.mark.parametrize("name", ["unheard_of", *fields()])
def test_document_of_wrong_shape_is_reported(harness: StateHarness, name: str) -> None:
    in_place(harness)
    document = documents(harness)
    kind = SHAPES.get(name, str)
    values: tuple[Any, ...] = (None, 7, "x", [], [5], [[]], [{"flow": "a"}], {}, {"a": {}}, True, 1.5)
    for value in values:
        text = json.dumps({**document, name: value}).replace("'", "''")
        damage(harness, f"UPDATE purchases SET document = '{text}' WHERE rowid = 1")
        told = next(attempts(harness))
        if type(value) is not kind or name == "unheard_of" or (kind is list and value):
            assert told is not None
            assert "purchases: '0000000000000001'" in told


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", "[" * 100_000, '{"id": NaN}', "9" * 5000, '{"id": "\\ud800"}']
)
def test_malformed_document_is_reported(harness: StateHarness, text: str) -> None:
    in_place(harness)
    damage(harness, f"UPDATE purchases SET document = '{text}' WHERE rowid = 1")
    told = next(attempts(harness))
    assert told is not None
    assert "purchases: '0000000000000001'" in told


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE served",
        "CREATE TABLE more (id TEXT)",
        "CREATE TRIGGER t AFTER UPDATE ON purchases BEGIN DELETE FROM purchases; END",
        "CREATE VIEW more AS SELECT * FROM purchases",
        "ALTER TABLE files RENAME COLUMN slot TO place",
        "DELETE FROM meta",
        "INSERT INTO meta VALUES ('spring', '../spring.yaml', 0, 0)",
        "PRAGMA user_version=0",
        "PRAGMA user_version=-3",
    ],
)
@fails_without("pipeline.state.soundness:_assert_sound", "if _tables(copy) != _tables(ours)")
def test_foreign_tables_are_reported(harness: StateHarness, statement: str) -> None:
    in_place(harness)
    damage(harness, statement)
    assert all(attempts(harness))


def test_index_that_hides_a_purchase_is_reported(harness: StateHarness) -> None:
    in_place(harness)
    with contextlib.closing(sqlite3.connect(harness.state)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_purchases_1'"
        ).fetchone()
    content = bytearray(harness.state.read_bytes())
    start = (page - 1) * 4096
    where = content.index(b"0000000000000001", start, start + 4096)
    content[where] = ord("9")
    harness.state.write_bytes(content)
    assert all(attempts(harness))


@fails_without("pipeline.state.soundness:assert_wal_whole", "if skips:")
def test_commit_after_a_damaged_wal_byte_is_not_lost(harness: StateHarness) -> None:
    rng, refused = random.Random(3), 0
    in_place(harness, killed=True)
    whole, content = harness.state.read_bytes(), harness.wal.read_bytes()
    for _ in range(60):
        in_place(harness, killed=True)
        # Damage in the last commits looks like commits that were cut off, so the byte is before them.
        harness.wal.write_bytes(flipped(content[:200_000], rng) + content[200_000:])
        with pytest.raises(InvalidInput, match="-wal: damaged"):
            harness.open("run-9")
        refused += 1
        assert harness.state.read_bytes() == whole
    assert refused == 60


def test_wal_truncated_anywhere_is_not_damage(harness: StateHarness) -> None:
    in_place(harness, killed=True)
    content = harness.wal.read_bytes()
    for end in (0, 10, 32, 100, 4152, 5000, len(content) - 4120, len(content) - 1, len(content)):
        assert not wal.skips_commits(content[:end], 4096, lambda _: b"")


def test_partly_rewritten_wal_is_not_damage(harness: StateHarness) -> None:
    """Its first frames are new and its header is still old, as may be the case after a power cut."""
    store = harness.open()
    for number in range(1, 30):
        buy(store, number)
    old = harness.wal.read_bytes()
    connection = sqlite3.connect(harness.state)
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.close()
    buy(store, 30)
    new = harness.wal.read_bytes()
    assert new[:32] != old[:32]
    main = harness.state.read_bytes()

    def page(number: int) -> bytes:
        return main[(number - 1) * 4096 : number * 4096]

    assert not wal.skips_commits(old[:32] + new[32:], 4096, page)
    # Only the page of a new frame, not its header, had reached the disk.
    assert not wal.skips_commits(old[:56] + new[56:4152] + old[4152:], 4096, page)
    assert wal.skips_commits(old[:56] + new[56:4152] + old[4152:], 4096, lambda _: b"\0" * 4096)


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_changed_letter_is_reported_or_every_reader_accepts_what_is_written(
    harness: StateHarness, table: str, column: str
) -> None:
    in_place(harness)
    with contextlib.closing(sqlite3.connect(harness.state)) as connection:
        [(length,)] = connection.execute(f"SELECT coalesce(length({column}), 0) FROM {table} WHERE rowid = 1")
    accepted: list[tuple[dict[str, Any], list[str]]] = []
    for at in range(1, length + 1):
        in_place(harness)
        changed = f"substr({column}, 1, {at - 1}) || 'q' || substr({column}, {at} + 1)"
        if not damage(harness, f"UPDATE {table} SET {column} = {changed} WHERE rowid = 1"):
            continue
        with contextlib.suppress(InvalidInput), contextlib.closing(harness.read()) as store:
            exported, files = store.export(), store.files()
            accepted.append((dict(exported), [each.sha256 for each in files]))
    for document, hashes in accepted:
        snapshot.read(document, "export.json")
        assert all(map(SHA256.fullmatch, hashes))


def test_facts_of_what_is_no_hash_are_not_published() -> None:
    digest = "a" * 64

    assert media_json({digest: {"rule": 1}, f"q{digest[1:]}": {"rule": 1}}) == {digest: {"rule": 1}}

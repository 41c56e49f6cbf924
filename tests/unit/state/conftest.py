from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Change, Intent, PlacedFile, Turn
from pipeline.state.transitions import Event, advance

NOW = "2026-03-01T12:00:00Z"
UNCAPPED = Caps()


@dataclass
class Desk:
    """A folder with a manifest, and the state beside it."""

    folder: Path
    opened: list[SqlStore] = field(default_factory=list)

    @property
    def manifest(self) -> Path:
        return self.folder / "spring.yaml"

    @property
    def state(self) -> Path:
        return self.folder / ".pipeline" / "spring.db"

    @property
    def wal(self) -> Path:
        return self.state.with_name("spring.db-wal")

    def open(self, run: str = "run-1", *, campaign: str = "spring", manifest: Path | None = None) -> SqlStore:
        store = open_store(
            self.state, campaign=campaign, manifest=manifest or self.manifest, run=run, writable=True, now=NOW
        )
        self.opened.append(store)
        return store

    def read(self, *, campaign: str = "spring", manifest: Path | None = None) -> SqlStore:
        return open_store(
            self.state, campaign=campaign, manifest=manifest or self.manifest, run="", writable=False, now=NOW
        )

    def again(self, store: SqlStore, run: str = "run-2") -> SqlStore:
        store.close()
        return self.open(run)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.manifest.write_text("version: 1\nname: spring\n")
    yield desk
    for store in desk.opened:
        store.close()


def purchase(number: int = 1, price: int | None = 5, key: str = "hero/overlay") -> Purchase:
    return Purchase(
        id=PurchaseId(f"{number:016x}"),
        key=JobKey(key),
        fingerprint="v1:" + "f" * 64,
        status=Status.SUBMITTING,
        bought_at=NOW,
        template_id="overlay_gray_5443",
        credits=price,
    )


def intent(number: int = 1, price: int | None = 5, *supersedes: PurchaseId) -> Intent:
    return Intent(purchase=purchase(number, price), at=NOW, supersedes=supersedes)


def step(before: Purchase, event: Event) -> Change:
    return Change(before=before, after=advance(before, event), at=NOW, event=event)


def placed(path: str) -> PlacedFile:
    return PlacedFile(
        path=path, purchase=PurchaseId("f" * 16), slot="result/0", sha256="aa", bytes=1, mtime_ns=10
    )


def begin(store: SqlStore, intents: Sequence[Intent], caps: Caps = UNCAPPED) -> list[Purchase]:
    """What of `intents` is on disk after a turn that brings nothing else."""
    return [change.after for change in store.commit_turn(Turn(intents=intents), caps) if not change.before]


def buy(store: SqlStore, number: int = 1, price: int | None = 5) -> Purchase:
    """One intent, on disk."""
    (written,) = begin(store, [intent(number, price)])
    return written


def move(store: SqlStore, bought: Purchase, *events: Event) -> Purchase:
    """The purchase after `events`, each on disk."""
    for event in events:
        change = step(bought, event)
        store.commit([change])
        bought = change.after
    return bought

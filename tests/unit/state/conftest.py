from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Change
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
        PurchaseId(f"{number:016x}"),
        JobKey(key),
        "v1:ff",
        Status.SUBMITTING,
        NOW,
        "overlay_gray_5443",
        credits=price,
    )


def intent(bought: Purchase) -> Change:
    return Change(None, bought, NOW)


def step(before: Purchase, event: Event) -> Change:
    return Change(before, advance(before, event), NOW, event)


def buy(store: SqlStore, number: int = 1, price: int | None = 5) -> Purchase:
    """One intent, on disk."""
    (written,) = store.begin([intent(purchase(number, price))], UNCAPPED)
    return written.after


def move(store: SqlStore, bought: Purchase, *events: Event) -> Purchase:
    """The purchase after `events`, each on disk."""
    for event in events:
        change = step(bought, event)
        store.commit([change])
        bought = change.after
    return bought

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.postgres import Database

from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.schemes import DatabaseUrl, StateLocation
from pipeline.state.events import Event
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Change, Intent, PlacedFile, Turn
from pipeline.state.transitions import advance

NOW = "2026-03-01T12:00:00Z"
UNCAPPED = Caps()


@dataclass
class StateHarness:
    """A folder with a manifest, and the state beside it, or in a database."""

    folder: Path
    database: Database | None = None
    lease_seconds: float | None = None
    opened: list[SqlStore] = field(default_factory=list)

    @property
    def manifest(self) -> Path:
        return self.folder / "spring.yaml"

    @property
    def state(self) -> Path:
        return self.folder / ".pipeline" / "spring.db"

    @property
    def location(self) -> StateLocation:
        return self.state if self.database is None else DatabaseUrl(self.database.url)

    @property
    def wal(self) -> Path:
        return self.state.with_name("spring.db-wal")

    def open(self, run: str = "run-1", *, campaign: str = "spring", manifest: Path | None = None) -> SqlStore:
        store = open_store(
            self.location,
            campaign=campaign,
            manifest=manifest or self.manifest,
            run=run,
            writable=True,
            now=NOW,
            lease_seconds=self.lease_seconds,
        )
        self.opened.append(store)
        return store

    def read(self, *, campaign: str = "spring", manifest: Path | None = None) -> SqlStore:
        return open_store(
            self.location,
            campaign=campaign,
            manifest=manifest or self.manifest,
            run="",
            writable=False,
            now=NOW,
        )

    def again(self, store: SqlStore, run: str = "run-2") -> SqlStore:
        store.close()
        return self.open(run)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module that opts in on every database; a test may name its own."""
    named = {mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")}
    for fixture in {"harness", "new_harness"} & set(metafunc.fixturenames) - named:
        if getattr(metafunc.module, "ON_EVERY_DATABASE", False):
            metafunc.parametrize(fixture, ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateHarness]:
    made = StateHarness(tmp_path)
    if getattr(request, "param", "sqlite") == "postgres":
        made.database = request.getfixturevalue("postgres").database()
    made.manifest.write_text("version: 1\nname: spring\n")
    yield made
    for store in made.opened:
        store.close()


@pytest.fixture
def new_harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], StateHarness]:
    """Makes a harness with an empty state each time; in a database, it deletes the previous one."""
    database: Database | None = None
    if request.param == "postgres":
        database = request.getfixturevalue("postgres").database()

    def make() -> StateHarness:
        if database is not None:
            database.empty()
        made = StateHarness(tmp_path_factory.mktemp("harness"), database)
        made.manifest.touch()
        return made

    return make


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
        path=path, purchase=PurchaseId("f" * 16), slot="result/0", sha256="a" * 64, bytes=1, mtime_ns=10
    )


def begin(store: SqlStore, intents: Sequence[Intent], caps: Caps = UNCAPPED) -> list[Purchase]:
    """The purchases of `intents` that are on disk after a turn with nothing else."""
    return [change.after for change in store.commit_turn(Turn(intents=intents), caps) if not change.before]


def buy(store: SqlStore, number: int = 1, price: int | None = 5) -> Purchase:
    """Store one intent."""
    (written,) = begin(store, [intent(number, price)])
    return written


def move(store: SqlStore, bought: Purchase, *events: Event) -> Purchase:
    """The purchase after `events`, each committed."""
    for event in events:
        change = step(bought, event)
        store.commit([change])
        bought = change.after
    return bought

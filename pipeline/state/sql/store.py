"""A `Store` in SQL tables. Every write is one atomic transaction of the run that holds the state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline import failpoints
from pipeline.errors import PipelineError
from pipeline.join import join
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Served, WorkflowId, all_served_next
from pipeline.state import snapshot, transitions
from pipeline.state.recovery import absorb, recovery
from pipeline.state.sql import rows, statements
from pipeline.state.sql.history import take_over
from pipeline.state.sql.intents import allowed, assert_priced, changes_of
from pipeline.state.store import (
    NOTHING_IMPORTED,
    UNCAPPED,
    Caps,
    Change,
    Imported,
    KnownResults,
    LoggedEvent,
    PlacedFile,
    Sighting,
    Spent,
    Turn,
)

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.state.sql.database import Database, Row, Transaction, Value
    from pipeline.state.sql.rows import Mirror

T = TypeVar("T")


class RescueStore(Protocol):
    """Keeps ids of paid workflows that could not be written to the tables; see `pipeline.state.rescue`."""

    def append(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Store the id of a purchase's workflow durably."""
        ...

    def held(self) -> Mapping[PurchaseId, WorkflowId]:
        """By purchase, the ids that were stored and are not in the tables."""
        ...

    def forget(self, purchases: Collection[PurchaseId]) -> None:
        """Drop the ids of `purchases`, which are in the tables now; the others stay."""
        ...


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """An open database: a file, a copy in memory, or a server.

    `release` releases everything, and may be called more than once. `rescue` is None if it is read-only, when
    `rescued` has the ids of the rescue file. `is_held` returns whether the run still holds the state: a lock
    lasts until it is released, a lease may expire. `manifest` is the manifest that a file names.
    """

    database: Database
    campaign: str
    release: Callable[[], object]
    rescue: RescueStore | None = None
    rescued: Mapping[PurchaseId, WorkflowId] = field(default_factory=dict)
    is_held: Callable[[], bool] = lambda: True
    manifest: Path | None = None


class SqlStore:
    """Purchases in tables. `run` names this run, whose creates and credits the caps count.

    `mirror` is the content of the tables, if it was read already.
    """

    def __init__(self, opened: OpenDatabase, run: str, mirror: Mirror | None = None) -> None:
        self.campaign = opened.campaign
        self.manifest = opened.manifest
        self._opened = opened
        self._database = opened.database
        self.run = run
        # None before the first read and after a failed write, when it has to be read from disk again.
        self._mirror = mirror

    def verify(self) -> Mirror:
        """Read everything that a run relies on, so that damage is reported before anything is written.

        Raises:
            InvalidInput: a row cannot be one of ours.
        """
        self.files()
        self.durations()
        return self._read_once()

    def records(self) -> Records:
        return self._with_rescued(self._read_once().records)

    def _with_rescued(self, known: Records) -> Records:
        """`known`, in which an id in the rescue file counts as stored, even before the next run takes it over."""
        held = self._opened.rescued if self._opened.rescue is None else self._opened.rescue.held()
        rescued = {
            purchase_id: transitions.advance(known.purchases[purchase_id], event)
            for purchase_id, workflow_id in held.items()
            if purchase_id in known.purchases
            and (event := recovery(known.purchases[purchase_id], workflow_id))
        }
        return replace(known, purchases={**known.purchases, **rescued})

    def look(self, before: Sighting) -> Sighting:
        with self._database.reading() as transaction:
            revisions: dict[PurchaseId, int] = dict(transaction.rows(statements.REVISIONS))
            changed = [each for each, revision in revisions.items() if before.revisions.get(each) != revision]
            if len(changed) * 4 > len(revisions):  # this many are read faster in one query
                found = list(transaction.rows(statements.PURCHASES))
            else:
                found = [row for each in changed for row in transaction.rows(statements.PURCHASE, each)]
            served = transaction.rows(statements.SERVED)
        with self._telling_damage():
            read, runs = rows.sighted(found)
            mirror = rows.mirror_of((), served, (), self.run)
        purchases = {each: read.get(each) or before.records.purchases[each] for each in revisions}
        return Sighting(
            records=self._with_rescued(Records(purchases=purchases, served=mirror.served)),
            revisions=revisions,
            runs={each: _run_here(runs.get(each) or before.runs.get(each, "")) for each in revisions},
        )

    def recover(self, at: str) -> Sequence[Change]:
        rescued = self._rescue.held()
        with self._writing() as (transaction, mirror):
            changes = [
                Change(before=purchase, after=transitions.advance(purchase, event), at=at, event=event)
                for purchase in mirror.purchases.values()
                if (event := recovery(purchase, rescued.get(purchase.id))) is not None
            ]
            self._apply(transaction, mirror, changes)
        failpoints.reach("recovered")
        # Only after the commit; the id of an unknown purchase stays.
        self._rescue.forget(mirror.purchases.keys())
        return changes

    def commit_turn(self, turn: Turn, caps: Caps) -> Sequence[Change]:
        if any(change.before is None for change in turn.changes):
            raise PipelineError("a create is an intent, which the caps allow; it is not a change")
        assert_priced(turn.intents, caps)
        with self._writing() as (transaction, mirror):
            self._apply(transaction, mirror, turn.changes)
            written = changes_of(mirror, allowed(turn.intents, mirror.spent_under(caps), caps))
            self._apply(transaction, mirror, written, run=self.run)
            _index(transaction, mirror, turn.files, turn.removed)
            _learn(transaction, turn.durations)
        return written

    def commit(self, changes: Sequence[Change]) -> None:
        self.commit_turn(Turn(changes=changes), UNCAPPED)

    def index_files(self, placed: Iterable[PlacedFile], removed: Iterable[str] = ()) -> None:
        self.commit_turn(Turn(files=list(placed), removed=list(removed)), UNCAPPED)

    def rescue(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        self._rescue.append(purchase_id, workflow_id)

    def absorb(
        self, records: Records, decisions: Decisions, at: str, imported: Imported = NOTHING_IMPORTED
    ) -> Records:
        with self._writing() as (transaction, mirror):
            joined = absorb(mirror.records, records, decisions)
            brought = [
                Change(before=mirror.purchases.get(purchase_id), after=purchase, at=at)
                for purchase_id, purchase in joined.purchases.items()
                if mirror.purchases.get(purchase_id) != purchase
            ]
            # Other machines' purchases count against the budget, but not against the caps of this run.
            self._apply(transaction, mirror, brought)
            self._note_recorded(transaction, mirror, imported.recorded)
            take_over(transaction, mirror, imported)
            _serve(transaction, mirror, joined.served)
        return joined

    def recorded(self) -> frozenset[PurchaseId]:
        return frozenset(self._read_once().recorded)

    def recorded_by_runs(self) -> frozenset[PurchaseId]:
        mirror = self._read_once()
        return frozenset(mirror.recorded - mirror.imported)

    def save_assignment(
        self, served: Mapping[JobKey, PurchaseId], results: KnownResults | None = None
    ) -> None:
        with self._writing() as (transaction, mirror):
            _serve(transaction, mirror, all_served_next(mirror.served, served))
            if results is not None and results != mirror.results:
                _note_results(transaction, mirror, results)

    def known_results(self) -> KnownResults:
        return self._read_once().results

    def spent(self, caps: Caps = UNCAPPED) -> Spent:
        return self._read_once().spent_under(caps)

    def files(self) -> Sequence[PlacedFile]:
        mirror = self._read_once()
        if mirror.files is None:
            read = self._rows_as(rows.placed_file, statements.FILES)
            mirror.files = {file.path: file for file in read}
        return list(mirror.files.values())

    def durations(self) -> Mapping[str, float]:
        return dict(self._rows_as(rows.duration, statements.DURATIONS))

    def events(self, purchase_id: PurchaseId) -> Sequence[LoggedEvent]:
        return self._rows_as(rows.logged_event, statements.EVENTS_OF, purchase_id)

    def export(self, records: Records | None = None) -> Mapping[str, Json]:
        # All in one snapshot: a run may be at work, and `records` may be older.
        with self._database.reading() as transaction:
            mirror = self._read(transaction)
            events = transaction.rows(statements.EVENTS)
            durations = transaction.rows(statements.DURATIONS)
        with self._telling_damage():
            return snapshot.write(
                self.campaign,
                mirror.records if records is None else _brought_up(records, mirror.records),
                [rows.logged_event(row) for row in events],
                dict(map(rows.duration, durations)),
                frozenset(mirror.recorded),
            )

    def is_held(self) -> bool:
        return self._opened.is_held()

    def close(self) -> None:
        self._opened.release()

    @property
    def _rescue(self) -> RescueStore:
        if self._opened.rescue is None:
            raise PipelineError("the state was opened for reading only")
        return self._opened.rescue

    def _read_once(self) -> Mirror:
        if self._mirror is None:
            with self._database.reading() as transaction:
                self._mirror = self._read(transaction)
        return self._mirror

    def _read(self, transaction: Transaction) -> Mirror:
        purchases = transaction.rows(statements.PURCHASES)
        served = transaction.rows(statements.SERVED)
        results = transaction.rows(statements.RESULTS)
        with self._telling_damage():
            mirror = rows.mirror_of(purchases, served, results, self.run)
            rows.assert_has_served(mirror)
        return mirror

    def _rows_as(self, read: Callable[[Row], T], statement: str, *values: Value) -> list[T]:
        with self._database.reading() as transaction:
            found = transaction.rows(statement, *values)
        with self._telling_damage():
            return [read(row) for row in found]

    @contextlib.contextmanager
    def _telling_damage(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise self._database.damaged(str(error)) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[Transaction, Mirror]]:
        """A write transaction, and the mirror to update with it."""
        mirror = self._read_once()
        # During the transaction, and if it fails, the mirror differs from what is on disk.
        self._mirror = None
        with self._database.writing() as transaction:
            yield transaction, mirror
        self._mirror = mirror

    def _apply(
        self, transaction: Transaction, mirror: Mirror, changes: Sequence[Change], run: str = ""
    ) -> None:
        """Write changes in order, each with its event, and each only if the purchase still equals its `before`."""
        events: list[Sequence[Value]] = []
        for change in changes:
            purchase = change.after
            if mirror.purchases.get(purchase.id) != change.before:
                raise PipelineError(f"purchase {purchase.id} is no longer as this step found it")
            if change.before is None:
                revision = 1
                _add(transaction, purchase, run)
            else:
                revision = mirror.revisions[purchase.id] + 1
                _set(transaction, purchase, revision, change.before)
            is_intent = bool(run) and change.before is None
            mirror.put(purchase, revision, own=is_intent, recorded=is_intent)
            events.append(rows.event_of(change, revision))
        transaction.execute_many(statements.ADD_EVENT, events)
        if changes:
            _clear_inputs_hash(transaction, mirror)

    def _note_recorded(
        self, transaction: Transaction, mirror: Mirror, recorded: Collection[PurchaseId]
    ) -> None:
        new = [each for each in recorded if each in mirror.purchases and each not in mirror.recorded]
        transaction.execute_many(
            statements.SET_RECORDED, ((rows.IMPORTED, rows.storable(each)) for each in new)
        )
        mirror.recorded.update(new)
        mirror.imported.update(new)


def _run_here(run: str) -> str:
    """The run of this state that recorded an intent; empty if it was recorded elsewhere."""
    return "" if run == rows.IMPORTED else run


def _add(transaction: Transaction, purchase: Purchase, run: str) -> None:
    values = (rows.storable(purchase.id), 1, *rows.columns(purchase), run, rows.text_of(purchase))
    transaction.rows(statements.ADD_PURCHASE, *values)


def _set(transaction: Transaction, purchase: Purchase, revision: int, before: Purchase) -> None:
    values = (revision, *rows.columns(purchase), rows.text_of(purchase))
    guard = (rows.storable(purchase.id), revision - 1, before.status.value)
    if len(transaction.rows(statements.SET_PURCHASE, *values, *guard)) != 1:
        raise PipelineError(f"purchase {purchase.id} changed while it was written")


def _serve(transaction: Transaction, mirror: Mirror, served: Mapping[JobKey, Served]) -> None:
    news = [pair for pair in served.items() if mirror.served.get(pair[0]) != pair[1]]
    changed = [(rows.storable(key), rows.storable(each.purchase), each.serial) for key, each in news]
    transaction.execute_many(statements.REMOVE_SERVED, ((key,) for key, *_ in changed))
    transaction.execute_many(statements.ADD_SERVED, changed)
    mirror.served.update(news)
    if news:
        _clear_inputs_hash(transaction, mirror)


def _note_results(transaction: Transaction, mirror: Mirror, results: KnownResults) -> None:
    transaction.rows(statements.REMOVE_RESULTS)
    transaction.rows(statements.ADD_RESULTS, results.joined, results.inputs)
    mirror.results = results


def _clear_inputs_hash(transaction: Transaction, mirror: Mirror) -> None:
    """Clear the hash of what the results were made from: they no longer contain everything in this state."""
    if mirror.results.inputs:
        transaction.rows(statements.FORGET_INPUTS)
        mirror.results = replace(mirror.results, inputs="")


def _index(
    transaction: Transaction, mirror: Mirror, files: Sequence[PlacedFile], removed: Sequence[str]
) -> None:
    # If two files have the same path, the later one replaced the earlier.
    added = {file.path: file for file in files}
    transaction.execute_many(statements.REMOVE_FILE, ((path,) for path in {*removed, *added}))
    transaction.execute_many(statements.ADD_FILE, map(rows.file_values, added.values()))
    if mirror.files is not None:
        for path in removed:
            mirror.files.pop(path, None)
        mirror.files.update(added)


def _learn(transaction: Transaction, durations: Sequence[tuple[str, float]]) -> None:
    for template_id, seconds in durations:
        if not transaction.rows(statements.SET_DURATION, seconds, template_id):
            transaction.rows(statements.ADD_DURATION, template_id, seconds)


def _brought_up(known: Records, current: Records) -> Records:
    """Join `known` with what the tables got since; `known` says what serves a key, unless a new purchase does."""
    new = {key: each for key, each in current.served.items() if each.purchase not in known.purchases}
    return replace(join(known, current), served={**current.served, **known.served, **new})

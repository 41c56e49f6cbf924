"""A `Store` in tables. Every write is one transaction, within the epoch of the run that holds the lock."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from pipeline import failpoints
from pipeline.errors import InvalidInput, PipelineError
from pipeline.jobs import JobKey, Json
from pipeline.purchases import Decisions, PurchaseId, Records, Status, WorkflowId, from_json
from pipeline.state import snapshot, transitions
from pipeline.state.rescue import Rescue
from pipeline.state.sql import tables
from pipeline.state.store import Caps, Change, Intent, LoggedEvent, PlacedFile, Turn


@dataclass(frozen=True, slots=True)
class Writing:
    """What a run that may write holds besides the database.

    `epoch` is its number; `assert_ours` raises `InvalidInput` where what is written to is not any more what
    was opened.
    """

    epoch: int
    rescue: Rescue
    assert_ours: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Access:
    """A database, open: a file, a copy in memory, or a server.

    `explain` turns an error of the driver into one of ours; `release` lets everything go, more than once if
    asked. `writing` is None for reading only.
    """

    engine: sa.Engine
    campaign: str
    explain: Callable[[BaseException], PipelineError]
    release: Callable[[], object]
    writing: Writing | None = None


class SqlStore:
    """Purchases in tables. `run` names this run, whose creates and credits the caps count."""

    def __init__(self, access: Access, run: str) -> None:
        self.campaign = access.campaign
        self._access = access
        self._run = run
        self._connection = access.engine.connect()

    def records(self) -> Records:
        with self._transaction() as connection:
            known = tables.records(connection)
        if self._access.writing is None:
            return known
        # An id that is only in the rescue file is on disk too, until the next run takes it over.
        rescued = {
            purchase_id: transitions.advance(known.purchases[purchase_id], event)
            for purchase_id, workflow_id in self._access.writing.rescue.held().items()
            if purchase_id in known.purchases
            and (event := transitions.recovery(known.purchases[purchase_id], workflow_id))
        }
        return replace(known, purchases={**known.purchases, **rescued})

    def recover(self, at: str) -> Sequence[Change]:
        rescued = self._writing.rescue.held()
        with self._writes() as connection:
            known = tables.records(connection).purchases
            changes = [
                Change(purchase, transitions.advance(purchase, event), at, event)
                for purchase in known.values()
                if (event := transitions.recovery(purchase, rescued.get(purchase.id))) is not None
            ]
            self._apply(connection, changes)
        failpoints.reach("recovered")
        # Only now that they are in the state; an id of a purchase that we do not know stays.
        self._writing.rescue.forget(known.keys())
        return changes

    def begin(self, intents: Sequence[Change], caps: Caps) -> Sequence[Change]:
        _assert_priced(intents, caps)
        with self._writes() as connection:
            creates, credits_spent = tables.spent(connection, self._run)
            allowed = _within(caps, intents, creates, credits_spent, tables.spent_ever(connection))
            self._apply(connection, allowed)
        return allowed

    def commit(self, changes: Sequence[Change]) -> None:
        if any(change.before is None for change in changes):
            raise PipelineError("an intent goes through `begin`, which holds the caps")
        with self._writes() as connection:
            self._apply(connection, changes)

    def commit_turn(self, turn: Turn, caps: Caps) -> Sequence[Change]:
        with self._writes() as connection:
            self._apply(connection, turn.changes)
            intents = self._changes_of(connection, turn.intents)
            _assert_priced(intents, caps)
            creates, credits_spent = tables.spent(connection, self._run)
            allowed = _within(caps, intents, creates, credits_spent, tables.spent_ever(connection))
            self._apply(connection, allowed)
            tables.delete(connection, tables.FILES, "path", turn.removed)
            tables.put(connection, tables.FILES, "path", tables.file_rows(turn.files))
            for template_id, seconds in turn.durations:
                tables.learn(connection, template_id, seconds)
        return allowed

    def _changes_of(self, connection: sa.Connection, intents: Sequence[Intent]) -> list[Change]:
        """Each intent, then the flags of what it supersedes; one that two of them supersede is flagged once."""
        wanted = {purchase_id for intent in intents for purchase_id in intent.supersedes}
        known = {
            purchase_id: from_json(json.loads(each.document))
            for purchase_id, each in tables.held(connection, wanted).items()
        }
        changes: list[Change] = []
        for intent in intents:
            changes.append(Change(None, intent.purchase, intent.at))
            for purchase_id in intent.supersedes:
                before = known[purchase_id]
                if not before.again:
                    known[purchase_id] = after = transitions.advance(before, transitions.Superseded())
                    changes.append(Change(before, after, intent.at, transitions.Superseded()))
        return changes

    def rescue(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        self._writing.rescue.append(purchase_id, workflow_id)

    def absorb(self, records: Records, decisions: Decisions, at: str) -> Records:
        with self._writes() as connection:
            mine = tables.records(connection)
            joined = transitions.absorb(mine, records, decisions)
            brought = [
                Change(mine.purchases.get(purchase_id), purchase, at)
                for purchase_id, purchase in joined.purchases.items()
                if mine.purchases.get(purchase_id) != purchase
            ]
            # What another machine bought counts for the budget, and for no cap of this run.
            self._apply(connection, brought, run="")
            _serve(connection, mine.served, joined.served)
        return joined

    def save_assignment(self, served: Mapping[JobKey, PurchaseId]) -> None:
        with self._writes() as connection:
            _serve(connection, tables.served(connection), served)

    def spent(self) -> tuple[int, int]:
        with self._transaction() as connection:
            return tables.spent(connection, self._run)

    def files(self) -> Sequence[PlacedFile]:
        with self._transaction() as connection:
            return tables.files(connection)

    def index_files(self, placed: Iterable[PlacedFile], removed: Iterable[str] = ()) -> None:
        with self._writes() as connection:
            tables.delete(connection, tables.FILES, "path", removed)
            tables.put(connection, tables.FILES, "path", tables.file_rows(placed))

    def durations(self) -> Mapping[str, float]:
        with self._transaction() as connection:
            return tables.durations(connection)

    def learn_duration(self, template_id: str, seconds: float) -> None:
        with self._writes() as connection:
            tables.learn(connection, template_id, seconds)

    def events(self, purchase_id: PurchaseId) -> Sequence[LoggedEvent]:
        with self._transaction() as connection:
            return tables.events(connection, tables.EVENTS.c.purchase == purchase_id)

    def export(self) -> Mapping[str, Json]:
        with self._transaction() as connection:
            return snapshot.write(
                self.campaign,
                tables.records(connection),
                tables.events(connection, sa.true()),
                tables.durations(connection),
            )

    def close(self) -> None:
        self._connection.close()
        self._access.release()

    @property
    def _writing(self) -> Writing:
        if self._access.writing is None:
            raise PipelineError("the state was opened for reading only")
        return self._access.writing

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._connection.begin():
                yield self._connection
        except sa.exc.DBAPIError as error:
            raise self._access.explain(error.orig or error) from error

    @contextlib.contextmanager
    def _writes(self) -> Iterator[sa.Connection]:
        self._writing.assert_ours()
        with self._transaction() as connection:
            if connection.execute(sa.select(tables.META.c.epoch)).scalar_one() != self._writing.epoch:
                raise InvalidInput(
                    "another run has taken over the state; this one writes and buys nothing more"
                )
            yield connection

    def _apply(self, connection: sa.Connection, changes: Sequence[Change], run: str | None = None) -> None:
        """Write changes in their order, each only on top of what its `before` says, and an event for each."""
        held = tables.held(connection, {change.after.id for change in changes})
        log: list[tables.Row] = []
        for change in changes:
            purchase_id, was = change.after.id, held.get(change.after.id)
            if (was.document if was else None) != (tables.text_of(change.before) if change.before else None):
                raise PipelineError(f"purchase {purchase_id} is not any more as this step found it")
            if was is None or change.before is None:
                held[purchase_id] = tables.add_purchase(
                    connection, change.after, self._run if run is None else run
                )
            else:
                held[purchase_id] = tables.set_purchase(connection, change.after, was, change.before.status)
            log.append(tables.row(tables.EVENTS, (purchase_id, held[purchase_id].revision, *_told(change))))
        tables.insert(connection, tables.EVENTS, log)


def _told(change: Change) -> tuple[str, str, str | None, str, str]:
    """When, what, from where, to where, and what is kept for people."""
    if change.event is not None:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", transitions.event_name(change.event)).lower()
    else:
        name = "intent" if change.before is None and change.after.status is Status.SUBMITTING else "joined"
    before = change.before.status.value if change.before else None
    return (change.at, name, before, change.after.status.value, change.detail)


def _serve(
    connection: sa.Connection, known: Mapping[JobKey, PurchaseId], served: Mapping[JobKey, PurchaseId]
) -> None:
    news = [tables.row(tables.SERVED, pair) for pair in served.items() if known.get(pair[0]) != pair[1]]
    tables.put(connection, tables.SERVED, "key", news)


def _assert_priced(intents: Sequence[Change], caps: Caps) -> None:
    if caps.max_credits is None and caps.budget is None:
        return
    for change in intents:
        if change.before is None and change.after.credits is None:
            raise InvalidInput(
                f"{change.after.key}: the price of {change.after.template_id} is not known, so no cap "
                "on credits can hold; write it to catalog.credits"
            )


def _within(
    caps: Caps, changes: Sequence[Change], creates: int, credits_spent: int, ever: int
) -> Sequence[Change]:
    """The changes before the first intent that would pass a cap."""
    for position, change in enumerate(changes):
        if change.before is not None:
            continue
        creates += 1
        credits_spent += change.after.cost
        ever += change.after.cost
        used = ((creates, caps.max_creates), (credits_spent, caps.max_credits), (ever, caps.budget))
        if any(cap is not None and amount > cap for amount, cap in used):
            return changes[:position]
    return changes

"""Keeps the records of a run in memory, and commits their changes to the store.

Changes are collected during one turn of the coordinator and committed in one transaction; what follows from a change
(a create that may now be sent, a workflow to be polled) happens only after that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import failpoints
from pipeline.errors import PipelineError, counted
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, WorkflowId
from pipeline.state.events import Accepted, Event
from pipeline.state.store import Caps, Change, Intent, Store, Turn
from pipeline.state.transitions import advance

if TYPE_CHECKING:
    from pipeline.artifacts.output_folder import OutputFolder
    from pipeline.engine.calls import Clock


@dataclass(frozen=True, slots=True)
class _Pending:
    change: Change
    after_commit: Callable[[Purchase], None]


@dataclass(frozen=True, slots=True)
class _PendingIntent:
    intent: Intent
    on_durable: Callable[[bool], None]


def _nothing(_purchase: Purchase) -> None:
    pass


class Journal:
    """The purchases of a run.

    `spent` is the number of credits that this run has spent, `unpriced` the number of its purchases with an unknown
    price. `outputs` knows where files were put, which is committed too. `warn` is called with a workflow id that
    could not be committed, `on_change` with each committed change.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        caps: Caps,
        records: Records,
        outputs: OutputFolder,
        warn: Callable[[str], None],
        on_change: Callable[[Change], None],
    ) -> None:
        self.purchases: dict[PurchaseId, Purchase] = dict(records.purchases)
        self.spent = 0
        self.unpriced = 0
        self._store = store
        self._clock = clock
        self._caps = caps
        self._outputs = outputs
        self._warn = warn
        self._on_change = on_change
        self._changes: list[_Pending] = []
        self._intents: list[_PendingIntent] = []
        self._durations: list[tuple[str, float]] = []
        self._bought: set[PurchaseId] = set()
        self._workflows = {each.workflow_id for each in records.purchases.values()}

    def has_workflow(self, workflow_id: WorkflowId) -> bool:
        """Whether a purchase already has this workflow."""
        return workflow_id in self._workflows

    def intend(
        self, purchase: Purchase, on_durable: Callable[[bool], None], supersedes: Sequence[PurchaseId] = ()
    ) -> None:
        """Queue the intent of `purchase`; `on_durable` gets True once it is on disk, or False if a cap forbids it.

        `supersedes` are the purchases that it replaces: they are flagged in the same transaction.
        """
        intent = Intent(purchase=purchase, at=self._clock.now(), supersedes=supersedes)
        self._intents.append(_PendingIntent(intent, on_durable))

    def withdraw_intents(self) -> None:
        """Drop the intents that are not on disk yet; they are never published."""
        self._intents.clear()

    def record(
        self,
        purchase_id: PurchaseId,
        event: Event,
        after_commit: Callable[[Purchase], None] = _nothing,
        detail: str = "",
    ) -> None:
        """Apply an event to a purchase and queue the change; `after_commit` gets the purchase once it is on disk."""
        before = self.purchases[purchase_id]
        after = advance(before, event)
        self.purchases[purchase_id] = after
        self._workflows.add(after.workflow_id)
        change = Change(before=before, after=after, at=self._clock.now(), event=event, detail=detail)
        self._changes.append(_Pending(change, after_commit))

    def absorb(self, theirs: Records, decisions: Decisions) -> None:
        """Commit the purchases that other machines made since the run began; this run does not continue any of them.

        Raises:
            PipelineError: it cannot be written.
        """
        # Which purchase served a key last is left to the next command: it may have to choose between theirs and ours.
        joined = self._store.absorb(Records(theirs.purchases), decisions, self._clock.now())
        for purchase_id in theirs.purchases:
            self.purchases[purchase_id] = joined.purchases[purchase_id]
            self._workflows.add(self.purchases[purchase_id].workflow_id)

    @property
    def exceeds_budget(self) -> bool:
        """Whether all known purchases, of this machine and others, cost more than the budget, or may do so."""
        caps = self._caps
        noted = (pending.change for pending in self._changes)
        more = sum(_cost(each.after, caps) - _cost(each.before, caps) for each in noted)
        spent = self._store.spent(caps)
        return not replace(spent, ever=spent.ever + more).is_within(Caps(budget=caps.budget))

    def why_refused(self, purchase: Purchase) -> str:
        """In words, the cap that forbids an intent for `purchase`."""
        caps = self._caps
        exceeded = self._store.spent(caps).plus(purchase, own=True).exceeded(caps)
        if not exceeded:  # one before it in the same turn would have exceeded a cap
            return "a limit would be exceeded"
        if not caps.of_shard or "budget" in exceeded:
            return f"{exceeded[-1]} would be exceeded"
        share = (
            counted(caps.max_creates or 0, "create")
            if "max_creates" in exceeded
            else counted(caps.max_credits or 0, "credit")
        )
        return f"a shard buys no more in one run than its part of the plan, here {share}; run again"

    def learn(self, template_id: str, seconds: float) -> None:
        """Queue the duration of one workflow of a template."""
        self._durations.append((template_id, seconds))

    def flush(self) -> None:
        """Commit everything queued in one transaction, then call the callbacks.

        Raises:
            PipelineError: it cannot be committed. No callback is called for what was not committed; the ids of
            workflows that were just bought are kept in the rescue file.
        """
        files, removed = self._outputs.index.changes()
        if not (self._changes or self._intents or self._durations or files or removed):
            return
        changes, self._changes = self._changes, []
        intents, self._intents = self._intents, []
        durations, self._durations = self._durations, []
        turn = Turn(
            changes=[each.change for each in changes],
            intents=[each.intent for each in intents],
            files=files,
            removed=removed,
            durations=durations,
        )
        begun = self._commit(turn)
        for pending in changes:
            pending.after_commit(pending.change.after)
        for intent in intents:
            intent.on_durable(intent.intent.purchase.id in begun)

    def _commit(self, turn: Turn) -> set[PurchaseId]:
        """Commit a turn, and return the ids of the intents that were committed."""
        try:
            # A file's name must be durable before the row that records it as done.
            self._outputs.sync()
            _reach("before", turn)
            written = self._store.commit_turn(turn, self._caps)
            _reach("after", turn)
        except PipelineError:
            self._undo(turn.changes)
            raise
        self._outputs.index.forget_changes()
        begun = {change.after.id for change in written if change.before is None}
        self._bought |= begun
        self._note_committed([*turn.changes, *written])
        return begun

    def _note_committed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            after = change.after
            self.purchases[after.id] = after
            if after.id in self._bought:
                before = change.before
                self.spent += after.cost - (before.cost if before is not None else 0)
                self.unpriced += after.is_unpriced - (before is not None and before.is_unpriced)
            self._on_change(change)

    def _undo(self, changes: Sequence[Change]) -> None:
        """Undo changes that were not committed, but save the workflow ids among them: they must not be lost."""
        for change in reversed(changes):
            if change.before is not None:
                self.purchases[change.before.id] = change.before
        for change in changes:
            if isinstance(change.event, Accepted):
                self._save(change, change.event.workflow_id)

    def _save(self, change: Change, workflow_id: WorkflowId) -> None:
        """Commit a workflow id on its own; if that fails, warn and write it to the rescue file."""
        try:
            self._store.commit([change])
        except PipelineError:
            self._warn(
                f"{change.after.key}: bought as workflow {workflow_id}, but the state cannot be written"
            )
            try:
                self._store.rescue(change.after.id, workflow_id)
            except PipelineError as error:
                self._warn(f"{error}: note the id for `pipeline resolve --workflow-id`")
        else:
            self._note_committed([change])


def _cost(purchase: Purchase | None, caps: Caps) -> int:
    """The credits that count; 0 if they are not known, which the store counts separately."""
    return 0 if purchase is None else (caps.cost(purchase) or 0)


def _reach(when: str, turn: Turn) -> None:
    if turn.changes:
        failpoints.reach(f"{when} commit")
    if turn.intents:
        failpoints.reach(f"{when} intents")

"""Records which purchase serves each job, and what it took over from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign
from pipeline.operations.clock import now
from pipeline.purchases import Records, Status
from pipeline.state.events import TookOver
from pipeline.state.store import Change, Store
from pipeline.state.transitions import advance
from pipeline.succession import Succession

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.purchases import PurchaseId


def record_assignment(store: Store, assignment: Assignment) -> Assignment:
    """Record which purchase serves each job, and which good takes these took over from; the assignment after it."""
    changes = taken_over(assignment, now())
    if changes:
        store.commit(changes)
        records = with_changes(assignment.matcher.records, changes)
        assignment = assign(assignment.jobs, records, assignment.matcher.decisions)
    store.save_assignment(served_by(assignment))
    return assignment


def with_changes(records: Records, changes: Iterable[Change]) -> Records:
    """The records after `changes`."""
    changed = {each.after.id: each.after for each in changes}
    return replace(records, purchases={**records.purchases, **changed}) if changed else records


def taken_over(assignment: Assignment, at: str) -> list[Change]:
    """What purchases without result have to record as replaced, as they serve jobs in place of good takes."""
    found, purchases = Succession(assignment.matcher).taken_over(), assignment.matcher.records.purchases
    events = [(purchases[purchase_id], TookOver(tuple(replaces))) for purchase_id, replaces in found.items()]
    return [Change(before=each, after=advance(each, event), at=at, event=event) for each, event in events]


def served_by(assignment: Assignment) -> dict[JobKey, PurchaseId]:
    """By job key, the purchase that serves it; intents are left out, since one may still turn out to be void.

    In that case the earlier purchase is still the last one that served the key, on this machine as on all others.
    What has not recorded yet which good take it took over from is left out as well: nothing else may lead to that.
    """
    unrecorded = Succession(assignment.matcher).taken_over()
    return {
        key: purchase.id
        for key, purchase in assignment.by_key.items()
        if purchase.status is not Status.SUBMITTING and purchase.id not in unrecorded
    }

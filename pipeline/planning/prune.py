"""Finds the purchases that may be deleted, at the vendor and here: never one that a job depends on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pipeline.purchases import UNFINISHED, Purchase, Status
from pipeline.succession import Succession

if TYPE_CHECKING:
    from pipeline.assignment import Assignment
    from pipeline.jobs import JobKey


def prunable(assignment: Assignment, *, replaced: bool, unfetched: bool = False) -> list[Purchase]:
    """The orphans that have ended; with `replaced`, also the earlier purchases of jobs.

    With `unfetched`, also those that have succeeded and whose files were not all downloaded: the vendor may no longer
    have these, which leaves nothing else to do.

    Excludes purchases that serve a job, those that these were made from, approved ones, those that share a workflow,
    and the last take of a job that is done until its successor is.
    """
    idle = [*assignment.orphans, *(assignment.earlier if replaced else ())]
    without = _without_good_take(assignment)
    last = {each.id for each in Succession(assignment.matcher).last_good(*without)}
    kept = kept_by_prune(assignment)
    return [
        each
        for each in idle
        if not kept(each)
        and each.id not in last
        and (has_ended(each) or (unfetched and each.status is Status.SUCCEEDED))
    ]


def kept_by_prune(assignment: Assignment) -> Callable[[Purchase], bool]:
    """Whether a purchase is needed by a job, approved, or has a workflow that another one has too."""
    kept = {*needed(assignment), *assignment.matcher.decisions.approved}
    shared = _shared_workflows(assignment)
    return lambda purchase: purchase.id in kept or purchase.workflow_id in shared


def without_successor(assignment: Assignment) -> Iterator[tuple[JobKey, Purchase]]:
    """The last take that is done of each job that no such take serves, which a person may yet prefer; by job."""
    succession = Succession(assignment.matcher)
    return ((key, take) for key in _without_good_take(assignment) for take in succession.last_good(key))


def _without_good_take(assignment: Assignment) -> list[JobKey]:
    """The jobs that no take serves which is done: what has only succeeded may never come here as a whole."""
    done = {key for key, serving in assignment.by_key.items() if serving.status is Status.DONE}
    settled = done | {*assignment.not_needed}
    return [each.key for each in assignment.jobs if each.key not in settled]


def needed(assignment: Assignment) -> set[str]:
    """The ids of the purchases that serve a job, and of all that these were made from."""
    purchases = assignment.matcher.records.purchases
    reached: set[str] = set()
    left = [purchase.id for purchase in assignment.by_key.values()]
    while left:
        purchase_id = left.pop()
        if purchase_id not in reached:
            reached.add(purchase_id)
            left.extend(purchases[purchase_id].inputs if purchase_id in purchases else ())
    return reached


def has_ended(purchase: Purchase) -> bool:
    """Whether a purchase has ended, so that there may be something to delete."""
    return purchase.status not in UNFINISHED and purchase.status not in {Status.ATTENTION, Status.VOID}


def destroyable(assignment: Assignment) -> list[Purchase]:
    """Every purchase that has a workflow at the vendor and is not marked as deleted."""
    return [each for each in _purchases(assignment) if not each.deleted and each.workflow_id is not None]


def _purchases(assignment: Assignment) -> Iterator[Purchase]:
    yield from sorted(assignment.matcher.records.purchases.values(), key=lambda each: (each.key, each.age))


def _shared_workflows(assignment: Assignment) -> set[str | None]:
    counts = Counter(each.workflow_id for each in assignment.matcher.records.purchases.values())
    return {workflow for workflow, number in counts.items() if workflow is not None and number > 1}

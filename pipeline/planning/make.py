"""Makes the plan of a campaign from what serves its jobs, the files on disk, and what a person asks for."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from pipeline.assignment import Assignment, assign
from pipeline.jobs import JobKey
from pipeline.planning.plan import ALL, Action, Entry, Plan, PlanOptions, Presence
from pipeline.planning.planner import Planner
from pipeline.purchases import UNFINISHED, Purchase, PurchaseId, Records


def any_purchase(_purchase: Purchase) -> bool:
    """Accept every purchase (default for `can_be_proven`)."""
    return True


def make(
    assignment: Assignment,
    presence: Mapping[JobKey, Presence],
    options: PlanOptions = ALL,
    *,
    can_be_proven: Callable[[Purchase], bool] = any_purchase,
    elsewhere: Collection[PurchaseId] = (),
) -> Plan:
    """The plan for the jobs of `assignment`, which stand in the plan's order. Linear in jobs and purchases.

    `presence` tells, by key, where the files of a finished job are; `can_be_proven` whether a workflow may turn out
    to be a purchase's own, so that it can be updated. `elsewhere` are purchases in attention that another machine is
    about to send.
    """
    options = replace(options, replace=options.replace - options.carried_out)
    marked = _marked_to_be_replaced(assignment, options.replace)
    planner = Planner(
        assignment=marked,
        before=assignment,
        presence=presence,
        options=options,
        can_be_proven=can_be_proven,
        elsewhere=elsewhere,
    )
    entries = [planner.entry(job) for job in marked.jobs if planner.is_selected(job.key)]
    orphans = [each for each in marked.orphans if planner.is_selected(each.key)]
    earlier = [each for each in marked.earlier if planner.is_selected(each.key)]
    pinned = [
        entry.purchase for entry in entries if entry.action is Action.PINNED and entry.purchase is not None
    ]
    followed = [each for each in (*pinned, *earlier, *orphans) if each.status in UNFINISHED]
    return Plan(
        entries=(*entries, *(_orphan(each) for each in orphans)),
        assignment=marked,
        followed=followed,
        elsewhere=frozenset(elsewhere),
    )


def _marked_to_be_replaced(assignment: Assignment, keys: Collection[JobKey]) -> Assignment:
    """What would serve if all that might serve these jobs were marked to be bought again."""
    marked = {
        purchase.id
        for key in keys
        if key in assignment.by_key
        for purchase in (assignment.by_key[key], *assignment.matcher.matching(key))
    }
    if not marked:
        return assignment
    records = assignment.matcher.records
    purchases = {
        purchase_id: replace(purchase, again=True) if purchase_id in marked else purchase
        for purchase_id, purchase in records.purchases.items()
    }
    return assign(assignment.jobs, Records(purchases, records.served), assignment.matcher.decisions)


def _orphan(purchase: Purchase) -> Entry:
    reason = f"its job is no longer in the manifest; it is {purchase.status}"
    return Entry(key=purchase.key, action=Action.ORPHAN, reason=reason, purchase=purchase)

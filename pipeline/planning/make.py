"""Makes the plan of a campaign, or its part that costs nothing, and finds the limit that it would exceed.

A plan depends on the purchases that serve its jobs, the files on disk, and the options of a command.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign
from pipeline.errors import counted
from pipeline.planning.hints import elsewhere_hint
from pipeline.planning.plan import ALL, BUYING, Action, Entry, Plan, PlanOptions, Presence
from pipeline.planning.planner import Planner
from pipeline.purchases import UNFINISHED, Purchase, PurchaseId, Reason, Records, Status

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.state.store import Caps


_MOST_NAMED = 3

# Bought, and not all of its files are here.
_STILL_MADE = frozenset({Status.SUBMITTED, Status.SUCCEEDED})


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
    """The plan for the jobs of `assignment`, which are in plan order. Linear in jobs and purchases.

    `presence` has, by key, where the files of a finished job are. `can_be_proven` returns whether a purchase's
    workflow could be proven its own, so that it may be updated. `elsewhere` are purchases in attention that another
    machine is about to send.
    """
    asked = options.replace - options.carried_out
    not_replaced = _still_made(assignment, asked)
    options = replace(options, replace=asked - not_replaced)
    without_replaced = _without_replaced(assignment, options.replace)
    planner = Planner(
        assignment=without_replaced,
        before=assignment,
        presence=presence,
        options=options,
        can_be_proven=can_be_proven,
        elsewhere=elsewhere,
    )
    entries = [planner.entry(job) for job in without_replaced.jobs if planner.is_selected(job.key)]
    orphans = [each for each in without_replaced.orphans if planner.is_selected(each.key)]
    earlier = [each for each in without_replaced.earlier if planner.is_selected(each.key)]
    pinned = [
        entry.purchase for entry in entries if entry.action is Action.PINNED and entry.purchase is not None
    ]
    followed = [each for each in (*pinned, *earlier, *orphans) if each.status in UNFINISHED]
    unknown = [each for each in (*earlier, *orphans) if each.status is Status.ATTENTION]
    return Plan(
        entries=(*entries, *(_orphan(each, elsewhere) for each in orphans)),
        assignment=without_replaced,
        followed=followed,
        unsettled=[each for each in unknown if each.id not in elsewhere],
        elsewhere=frozenset(elsewhere),
        idle_elsewhere=[each for each in unknown if each.id in elsewhere],
        not_replaced=not_replaced,
    )


def may_serve(assignment: Assignment, key: JobKey) -> Sequence[Purchase]:
    """The purchase that serves a job, and all that could serve it instead; empty if none serves it."""
    serving = assignment.by_key.get(key)
    if serving is None:
        return ()
    return tuple({each.id: each for each in (serving, *assignment.matcher.matching(key))}.values())


def _still_made(assignment: Assignment, keys: Collection[JobKey]) -> frozenset[JobKey]:
    """Those of these jobs whose purchase is still under way.

    It may be the replacement that an earlier run has bought: the same command again goes on with it.
    """
    serving = ((key, assignment.by_key.get(key)) for key in keys)
    return frozenset(
        key for key, purchase in serving if purchase is not None and purchase.status in _STILL_MADE
    )


def _without_replaced(assignment: Assignment, keys: Collection[JobKey]) -> Assignment:
    """The assignment as if all purchases that may serve these jobs were to be bought again."""
    to_replace = {purchase.id for key in keys for purchase in may_serve(assignment, key)}
    if not to_replace:
        return assignment
    records = assignment.matcher.records
    purchases = {
        purchase_id: replace(purchase, again=True) if purchase_id in to_replace else purchase
        for purchase_id, purchase in records.purchases.items()
    }
    return assign(assignment.jobs, Records(purchases, records.served), assignment.matcher.decisions)


def _orphan(purchase: Purchase, elsewhere: Collection[PurchaseId]) -> Entry:
    how = purchase.in_words
    if purchase.id in elsewhere:
        how = f"is {elsewhere_hint(purchase.bought_at)}"
    reason = f"its job is no longer in the manifest, and it {how}"
    return Entry(key=purchase.key, action=Action.ORPHAN, reason=reason, purchase=purchase)


_UNPAID = BUYING | {Action.SHARE, Action.WAIT}


def paid_for(plan: Plan, purchases: Iterable[Purchase], lacks: Callable[[Purchase], bool]) -> Plan:
    """`plan` without what it would buy, but with downloads and polls that a run would leave out.

    These are: finished purchases whose files are not on this machine (`lacks` tells this for a purchase that serves
    no job), and those of `purchases` that the vendor reported as failed, which are polled once more.
    """
    entries = tuple(entry for entry in plan.entries if entry.action not in _UNPAID)
    missing = [
        entry.purchase
        for entry in entries
        if entry.presence is Presence.MISSING and entry.purchase is not None
    ]
    orphans = [entry.purchase for entry in plan.of(Action.ORPHAN) if entry.purchase is not None]
    earlier = [each for each in plan.assignment.earlier if plan.entry(each.key) is not None]
    idle = [each for each in (*earlier, *orphans) if lacks(each)]
    failed = [each for each in purchases if each.reason is Reason.VENDOR and not each.deleted]
    followed = (*plan.followed, *missing, *idle, *failed)
    return replace(plan, entries=entries, followed=followed, limit=None, retries=False)


def everything(assignment: Assignment, purchases: Iterable[Purchase]) -> Plan:
    """The plan that costs nothing when there is no manifest, and so no jobs: it follows all of `purchases`."""
    wanted = {*UNFINISHED, Status.DONE} - {Status.SUBMITTING}
    return Plan(
        entries=(),
        assignment=assignment,
        followed=[
            each
            for each in purchases
            if not each.deleted and (each.status in wanted or each.reason is Reason.VENDOR)
        ],
    )


def exceeded_limit(plan: Plan, caps: Caps, purchases: Collection[Purchase] = ()) -> str | None:
    """Why the plan may not be carried out; None if it may. `purchases` are those of all runs so far."""
    return limit_besides_credits(plan, caps, purchases) or _exceeded_credits(plan, caps, purchases)


def limit_besides_credits(plan: Plan, caps: Caps, purchases: Collection[Purchase] = ()) -> str | None:
    """Why the plan may not be carried out whatever its credits amount to; None if only they could be too many."""
    creates = len(plan.buying)
    if not creates:
        return None
    if caps.max_creates is not None and creates > caps.max_creates:
        return f"{counted(creates, 'create')} would exceed max_creates ({caps.max_creates:,})"
    capped = [
        name for name, cap in (("max_credits", caps.max_credits), ("budget", caps.budget)) if cap is not None
    ]
    if capped and plan.unpriced:
        templates = sorted(
            {entry.job.request.template_id for entry in plan.unpriced if entry.job is not None}
        )
        return (
            f"{', '.join(templates)}: no known price, so limits.{capped[0]} cannot be enforced; "
            "set the price under catalog.credits (see docs/reference/errors.md#no-known-price)"
        )
    if caps.budget is not None and (unknown := caps.unpriced(purchases)):
        unpriced = ", ".join(sorted({each.template_id for each in unknown}))
        return (
            f"{unpriced}: no known price, neither now nor when {_named(unknown)} bought, so limits.budget cannot be "
            "enforced; set the price under catalog.credits, or remove limits.budget "
            "(see docs/reference/errors.md#no-known-price)"
        )
    return None


def _exceeded_credits(plan: Plan, caps: Caps, purchases: Iterable[Purchase]) -> str | None:
    if not plan.buying:
        return None
    if caps.max_credits is not None and plan.credits > caps.max_credits:
        return f"{counted(plan.credits, 'credit')} would exceed max_credits ({caps.max_credits:,})"
    return None if caps.budget is None else _exceeded_budget(plan, caps, caps.budget, purchases)


def _exceeded_budget(plan: Plan, caps: Caps, budget: int, purchases: Iterable[Purchase]) -> str | None:
    spent = estimated = 0
    for purchase in purchases:
        cost = caps.cost(purchase) or 0
        spent += cost
        estimated += cost if purchase.is_unpriced else 0
    if spent + plan.credits > budget:
        wanted = counted(plan.credits, "credit")
        of_them = f" ({estimated:,} of them at today's prices)" if estimated else ""
        return f"{wanted} on top of {spent:,} spent{of_them} would exceed limits.budget ({budget:,})"
    return None


def _named(purchases: Sequence[Purchase]) -> str:
    """The purchases by key and id, the oldest first, for a sentence about what was done to them."""
    oldest = sorted(purchases, key=lambda each: each.age)
    shown = ", ".join(f"{each.key} ({each.id})" for each in oldest[:_MOST_NAMED])
    more = f" and {len(oldest) - _MOST_NAMED:,} more" if len(oldest) > _MOST_NAMED else ""
    return f"{shown}{more} {'was' if len(oldest) == 1 else 'were'}"

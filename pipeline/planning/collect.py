"""The part of a plan that costs nothing: what is paid for, to be followed to its end and fetched."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.assignment import Assignment
from pipeline.planning.plan import BUYING, Action, Plan, Presence
from pipeline.purchases import UNFINISHED, Purchase, Reason, Status

_UNPAID = BUYING | {Action.SHARE, Action.WAIT}


def paid_for(plan: Plan, purchases: Iterable[Purchase], lacks: Callable[[Purchase], bool]) -> Plan:
    """`plan` without what it would buy, and with what a run leaves alone.

    That is: what is finished and whose files are not on this machine, which `lacks` tells of a purchase that
    serves no job; and those of `purchases` that the vendor had failed, which are asked about once more.
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
    return replace(plan, entries=entries, followed=(*plan.followed, *missing, *idle, *failed), refusal=None)


def everything(assignment: Assignment, purchases: Iterable[Purchase]) -> Plan:
    """The same where no manifest tells of jobs, so that `assignment` has none: all of `purchases`."""
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

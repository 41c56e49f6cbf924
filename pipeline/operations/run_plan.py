"""What a run that goes on follows, as another process sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign
from pipeline.planning.forecast import MAKING
from pipeline.planning.plan import Action
from pipeline.purchases import Status
from pipeline.results import decisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.jobs import JobKey
    from pipeline.planning.plan import Plan
    from pipeline.purchases import Purchase, PurchaseId
    from pipeline.results.decisions import Decision

_WITHOUT_SUCCESS = frozenset({Status.FAILED, Status.ATTENTION})


def as_begun(assignment: Assignment, decided: Mapping[PurchaseId, Decision], began: str) -> Assignment:
    """`assignment` by the decisions from before a run began, as it does not follow later ones.

    The same object if there are none; `began` is empty if it is not known.
    """
    earlier = [each for each in decided.values() if not began or (each.at or "") < began]
    if len(earlier) == len(decided):
        return assignment
    return assign(assignment.jobs, assignment.matcher.records, decisions.in_force(earlier))


def held_back(plan: Plan, bought: Iterable[Purchase]) -> frozenset[JobKey]:
    """The jobs of a plan that a run with `canary` does not make, as the first of their template did not succeed.

    `bought` are the purchases of that run. What is made from such a job is not made either.
    """
    tried_again = {entry.purchase.id for entry in plan.of(Action.RETRY) if entry.purchase is not None}
    may_go_on: dict[str, bool] = {}
    for purchase in bought:
        has_ended = purchase.status in _WITHOUT_SUCCESS and purchase.id not in tried_again
        may_go_on[purchase.template_id] = may_go_on.get(purchase.template_id, False) or not has_ended
    held: set[JobKey] = set()
    for entry in plan.of(*MAKING):
        is_of = entry.job is not None and not may_go_on.get(entry.job.request.template_id, True)
        if is_of or entry.after in held or entry.buyer in held:
            held.add(entry.key)
    return frozenset(held)

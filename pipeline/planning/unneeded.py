"""Finds purchases that were the source of others, and that no job needs any more. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign
from pipeline.purchases import Purchase, PurchaseId, Records, Status

if TYPE_CHECKING:
    from pipeline.purchases import Decisions


def unneeded_sources(assignment: Assignment, named: Iterable[Purchase]) -> frozenset[PurchaseId]:
    """Those of `named` whose files did not all come, and from which only approved takes were made that serve now.

    Once the vendor no longer has such a purchase, its files can never come, and each run would ask for them.
    """
    workflows = Counter(each.workflow_id for each in assignment.matcher.records.purchases.values())
    found = frozenset(
        each.id
        for each in named
        if each.status is Status.SUCCEEDED
        and each.id not in assignment.matcher.decisions.approved
        and workflows[each.workflow_id] == 1
    )
    return found if found and nothing_needs(assignment, found) else frozenset()


def nothing_needs(assignment: Assignment, purchase_ids: Collection[PurchaseId]) -> bool:
    """Whether each job would keep what serves it if these were deleted, also once no take is approved any more.

    An approved take serves whatever became of what it was made from.
    """
    records, decisions = assignment.matcher.records, assignment.matcher.decisions
    deleted = {each: replace(records.purchases[each], deleted=True) for each in purchase_ids}
    without = Records({**records.purchases, **deleted}, records.served)
    return all(
        _assigned(assignment, records, each) == _assigned(assignment, without, each)
        for each in (decisions, replace(decisions, approved={}))
    )


def _assigned(assignment: Assignment, records: Records, decisions: Decisions) -> dict[str, PurchaseId]:
    return {key: each.id for key, each in assign(assignment.jobs, records, decisions).by_key.items()}

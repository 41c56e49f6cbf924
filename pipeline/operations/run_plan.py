"""What a run that goes on follows, as another process sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign
from pipeline.results import decisions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.purchases import PurchaseId
    from pipeline.results.decisions import Decision


def as_begun(assignment: Assignment, decided: Mapping[PurchaseId, Decision], began: str) -> Assignment:
    """`assignment` by the decisions from before a run began, as it does not follow later ones.

    The same object if there are none; `began` is empty if it is not known.
    """
    earlier = [each for each in decided.values() if not began or (each.at or "") < began]
    if len(earlier) == len(decided):
        return assignment
    return assign(assignment.jobs, assignment.matcher.records, decisions.in_force(earlier))

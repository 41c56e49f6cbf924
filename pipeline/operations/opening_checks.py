"""Checks of a campaign's records when it is opened: what is missing, or under another name, could be bought again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.operations.earlier_names import (
    assert_no_state_left_behind,
    assert_no_state_of_an_earlier_name,
)
from pipeline.operations.lost_decisions import LostApprovals, assert_no_approval_is_lost, lost_approvals
from pipeline.operations.published_results import bought_under_another_name, purchases_beside
from pipeline.operations.unrecorded_decisions import (
    UnrecordedDecisions,
    unrecorded_decisions,
    unrecorded_warnings,
)

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.jobs import Job
    from pipeline.operations.workspace import Workspace
    from pipeline.purchases import PurchaseId
    from pipeline.results.decisions import Decision
    from pipeline.results.file import ResultsFile


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningChecks:
    """The checks of a campaign with these `jobs`; `decided` has the last decision on each purchase.

    `writable`: the command buys, deletes or writes records, so it is refused what others only report.
    """

    workspace: Workspace
    jobs: Sequence[Job]
    decided: Mapping[PurchaseId, Decision]
    writable: bool

    def approvals(self, results: Sequence[ResultsFile]) -> LostApprovals:
        """The approvals that only `results` show.

        Raises:
            InvalidInput: with `writable`, there is one.
        """
        lost = lost_approvals(results, self.decided)
        if self.writable:
            assert_no_approval_is_lost(self.workspace, lost)
        return lost

    def earlier_names(self, recorded: Collection[PurchaseId], results: Sequence[ResultsFile]) -> None:
        """Check that no state of an earlier name or folder has what is in no results: in `results`, or others here.

        A campaign that has `recorded` a purchase in its own state has not just been renamed or moved.

        Raises:
            InvalidInput: there is one.
        """
        if recorded:
            return
        published = {purchase_id for each in results for purchase_id in each.records.purchases}
        known = published.union(purchases_beside(self.workspace))
        assert_no_state_of_an_earlier_name(self.workspace, self.jobs, known)
        assert_no_state_left_behind(self.workspace, self.jobs, known)

    def unrecorded(self, recorded: Collection[PurchaseId]) -> UnrecordedDecisions:
        """The decisions on purchases that are not `recorded`."""
        return unrecorded_decisions(self.workspace, self.decided, recorded)

    def warnings(
        self, recorded: Collection[PurchaseId], unrecorded: UnrecordedDecisions
    ) -> Iterator[Problem]:
        """What is told and not refused, of a campaign with these `recorded` purchases."""
        if not recorded:
            yield from bought_under_another_name(self.workspace, self.jobs)
        yield from unrecorded_warnings(self.workspace, unrecorded)

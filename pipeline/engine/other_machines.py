"""Reads purchases that other machines made since the run began, from results that a checkpoint or a person updated.

They count against the budget like those of this run, and a job that one of them fits is not bought again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, Matcher
from pipeline.purchases import Purchase, PurchaseId, Records

if TYPE_CHECKING:
    from pipeline.engine.journal import Journal
    from pipeline.jobs import Job


@dataclass(kw_only=True, eq=False, slots=True)
class OtherMachines:
    """Purchases of other machines that `read_others` finds and that were not known when the run began.

    `assignment` is the one that the run's plan is based on.
    """

    read_others: Callable[[], Records]
    journal: Journal
    assignment: Assignment

    _known: dict[PurchaseId, Purchase] = field(default_factory=dict, init=False)
    _matcher: Matcher | None = field(default=None, init=False)

    def update(self) -> None:
        """Read and commit new purchases; from then on they count against the budget.

        Raises:
            PipelineError: they cannot be read or committed.
        """
        found = self.read_others().purchases
        news = {each: purchase for each, purchase in found.items() if self._known.get(each) != purchase}
        if news:
            self.journal.absorb(Records(news), self.assignment.matcher.decisions)
            self._known.update(news)
            self._matcher = None

    def have_bought(self, job: Job) -> bool:
        """Whether a purchase of another machine fits `job`."""
        if not self._known:
            return False
        if self._matcher is None:
            planned = self.assignment.matcher
            records = Records(dict(self.journal.purchases), planned.records.served)
            self._matcher = Matcher(self.assignment.jobs, records, planned.decisions)
        return any(purchase.id in self._known for purchase in self._matcher.matching(job.key))

"""Purchases that other machines made since the run began, as far as a checkpoint or a person brought them here.

They count against the budget like those of this run, and a job that one of them fits is not bought once more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.assignment import Assignment, Matcher
from pipeline.engine.journal import Journal
from pipeline.jobs import Job
from pipeline.purchases import PurchaseId, Records


@dataclass(kw_only=True, eq=False, slots=True)
class OtherMachines:
    """Purchases of other machines that were not known when the run began, as `read_others` finds them.

    The run's plan was made on `assignment`.
    """

    read_others: Callable[[], Records]
    journal: Journal
    assignment: Assignment

    _known: set[PurchaseId] = field(default_factory=set, init=False)
    _matcher: Matcher | None = field(default=None, init=False)

    def update(self) -> None:
        """Record what was found: from now on it counts against the budget.

        Raises:
            PipelineError: it cannot be read, or not be written.
        """
        records = self.read_others()
        if records.purchases:
            self.journal.absorb(records, self.assignment.matcher.decisions)
            self._known.update(records.purchases)
            self.forget_matches()

    def forget_matches(self) -> None:
        """Match again the next time, as a purchase was marked to be bought again."""
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

"""What other machines have bought since the run began, as far as a checkpoint or a person brought it here.

It counts against the budget as what is bought here does, and a job that it fits is not bought once more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.assignment import Assignment, Matcher
from pipeline.engine.journal import Journal
from pipeline.jobs import Job
from pipeline.purchases import PurchaseId, Records


@dataclass(kw_only=True, eq=False, slots=True)
class OtherMachines:
    """Takes in what `came_in` tells: the purchases of others that were not known when the run began.

    `assignment` is what the run's plan was made on.
    """

    came_in: Callable[[], Records]
    journal: Journal
    assignment: Assignment

    _known: set[PurchaseId] = field(default_factory=set, init=False)
    _matcher: Matcher | None = field(default=None, init=False)

    def take_in(self) -> None:
        """Write down what has come in: from now on it counts.

        Raises:
            PipelineError: it cannot be read, or not be written.
        """
        records = self.came_in()
        if records.purchases:
            self.journal.take_in(records, self.assignment.matcher.decisions)
            self._known.update(records.purchases)
            self.forget_matches()

    def forget_matches(self) -> None:
        """What fits what is to be worked out again, as a purchase was marked to be bought again."""
        self._matcher = None

    def have_bought(self, job: Job) -> bool:
        """Whether a purchase that came in fits `job`."""
        if not self._known:
            return False
        if self._matcher is None:
            planned = self.assignment.matcher
            records = Records(dict(self.journal.purchases), planned.records.served)
            self._matcher = Matcher(self.assignment.jobs, records, planned.decisions)
        return any(purchase.id in self._known for purchase in self._matcher.matching(job.key))

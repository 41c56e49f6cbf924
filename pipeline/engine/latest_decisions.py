"""Reads decisions made while a run goes on: what they make needless is not bought any more.

Everything else that they change is left to the next run: nothing is bought that the plan does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.assignment import Assignment, assign, is_sent_back
from pipeline.errors import InvalidInput
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Status

if TYPE_CHECKING:
    from pipeline.engine.journal import Journal
    from pipeline.jobs import Job

# Seconds until decisions that cannot be read are read again: somebody may be writing them.
REREAD_AFTER = 2.0


@dataclass(kw_only=True, eq=False, slots=True)
class LatestDecisions:
    """Which jobs need no purchase by the decisions that `read` finds; it returns None if none are new.

    `assignment` is the one that the run's plan is based on. `due_at` is when `update` may know more, in monotonic
    seconds, if the decisions could not be read the last time; otherwise 0.
    """

    read: Callable[[], Decisions | None]
    journal: Journal
    assignment: Assignment

    due_at: float = field(default=0.0, init=False)
    _decided: Assignment | None = field(default=None, init=False)

    def update(self, now: float) -> bool:
        """Read new decisions; False if they cannot be read now, so that nothing may be bought.

        Raises:
            InvalidInput: they could not be read the last time either.
        """
        if now < self.due_at:
            return False
        try:
            decisions = self.read()
        except InvalidInput:
            if self.due_at:
                raise
            self.due_at = now + REREAD_AFTER
            return False
        self.due_at = 0.0
        if decisions is not None:
            # What is not sent yet serves nothing: these are the creates to be judged.
            purchases = {
                each.id: each
                for each in self.journal.purchases.values()
                if each.status is not Status.SUBMITTING
            }
            records = Records(purchases, self.assignment.matcher.records.served)
            self._decided = assign(self.assignment.jobs, records, decisions)
        return True

    def keep(self, job: Job) -> bool:
        """Whether a take of `job` was approved, so that nothing more is bought for it."""
        if self._decided is None:
            return False
        serving = self._decided.by_key.get(job.key)
        is_approved = serving is not None and serving.id in self._decided.matcher.decisions.approved
        return is_approved or job.key in self._decided.not_needed

    def is_outdated(self, job: Job, inputs: tuple[PurchaseId, ...]) -> bool:
        """Whether a purchase for `job`, made from `inputs`, would not fit it: another take is to be used instead.

        Purchases of this run may be missing from the records that were decided on, but none that is approved.
        """
        while self._decided is not None and inputs:
            source, matcher = self.journal.purchases[inputs[0]], self._decided.matcher
            wanted = matcher.source(job)
            if job.approved_of or _is_approved(wanted, matcher.decisions):
                return wanted is None or wanted.id != source.id
            if is_sent_back(source, matcher.decisions):
                return True
            if job.upstream is None:
                return False
            job, inputs = matcher.jobs[job.upstream], source.inputs
        return False

    def serve(self, job: Job) -> bool:
        """Whether a purchase serves `job` that needs no other one."""
        return self._decided is not None and job.key in self._decided.by_key


def _is_approved(purchase: Purchase | None, decisions: Decisions) -> bool:
    return purchase is not None and purchase.id in decisions.approved

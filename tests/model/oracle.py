"""The rules for matching purchases to jobs, implemented again by brute force to check the code against."""

from collections.abc import Mapping

from pipeline.jobs import Job, JobKey
from pipeline.purchases import Decisions, Purchase, Records, Status


class Oracle:
    """Which purchases match which jobs, for a machine that knows `records` and `decisions`."""

    def __init__(self, jobs: Mapping[str, Job], records: Records, decisions: Decisions) -> None:
        self._jobs = jobs
        self._records = records
        self._decisions = decisions

    def is_usable(self, purchase: Purchase) -> bool:
        is_to_buy_again = purchase.again and purchase.id not in self._decisions.approved
        out = purchase.status is Status.VOID or purchase.deleted or is_to_buy_again
        return not out and not self._is_sent_back(purchase) and not self._is_rejected_before_redo(purchase)

    def _is_sent_back(self, purchase: Purchase) -> bool:
        """Whether a person sent it back and its outcome is known."""
        is_known = purchase.status not in (Status.SUBMITTING, Status.ATTENTION)
        return is_known and purchase.id in self._decisions.redo

    def _is_rejected_before_redo(self, purchase: Purchase) -> bool:
        """Whether it was rejected, and later a newer purchase of the same request was sent back."""
        order = self._decisions.order
        return purchase.id in self._decisions.rejected and any(
            self._is_sent_back(each)
            and order[each.id] > order[purchase.id]
            and each.status is not Status.VOID
            and (each.fingerprint, each.inputs) == (purchase.fingerprint, purchase.inputs)
            and each.age > purchase.age
            for each in self._records.purchases.values()
        )

    def pinned(self, key: JobKey) -> Purchase | None:
        """The newest approved purchase that was approved for the key or last served it."""
        for purchase in sorted(self._records.purchases.values(), key=lambda each: each.age, reverse=True):
            for_key = self._decisions.approved.get(purchase.id)
            served = self._records.served.get(key)
            has_served = served is not None and served.purchase == purchase.id
            if for_key is not None and (for_key == key or has_served) and self.is_usable(purchase):
                return purchase
        return None

    def matches(self, purchase: Purchase, job: Job) -> bool:
        if not self.is_usable(purchase) or purchase.fingerprint != job.fingerprint:
            return False
        if job.upstream is None:
            return purchase.inputs == ()
        if job.approved_of:
            approved = [source for take in job.approved_of if (source := self.pinned(take)) is not None]
            newest = max(approved, key=lambda each: each.age, default=None)
            return newest is not None and purchase.inputs == (newest.id,)
        if len(purchase.inputs) != 1 or purchase.inputs[0] not in self._records.purchases:
            return False
        pinned = self.pinned(job.upstream)
        source = self._records.purchases[purchase.inputs[0]]
        return source == pinned if pinned is not None else self.matches(source, self._jobs[job.upstream])

    def may_serve(self, purchase: Purchase, job: Job) -> bool:
        pinned = self.pinned(job.key)
        return purchase == pinned if pinned is not None else self.matches(purchase, job)

    def is_served(self, job: Job) -> bool:
        return any(self.may_serve(each, job) for each in self._records.purchases.values())

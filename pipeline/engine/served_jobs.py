"""Which jobs of a run each purchase serves, and how many jobs stand how, as that changes while the run buys."""

from collections import Counter
from collections.abc import Iterable

from pipeline.artifacts.file_names import set_aside
from pipeline.jobs import Job, JobKey
from pipeline.planning.plan import Action, Plan
from pipeline.purchases import Purchase, PurchaseId, Status

PENDING = "pending"


class ServedJobs:
    """Jobs by the purchase that serves them, in the plan's order; `by_key` is the other way round.

    `counts` tells how many of the selected jobs have each status, `pending` where no purchase serves.
    """

    def __init__(self, plan: Plan) -> None:
        assignment = plan.assignment
        self.by_key: dict[JobKey, PurchaseId] = {
            key: purchase.id for key, purchase in assignment.by_key.items()
        }
        self._jobs: dict[PurchaseId, list[Job]] = {}
        self._sharing: dict[JobKey, list[Job]] = {}
        self._stems = {job.path.casefold() for job in assignment.jobs}
        for job in assignment.jobs:
            if job.key in self.by_key:
                self._jobs.setdefault(self.by_key[job.key], []).append(job)
        for entry in plan.of(Action.SHARE):
            if entry.buyer is not None and entry.job is not None:
                self._sharing.setdefault(entry.buyer, []).append(entry.job)
        served = assignment.by_key
        self._statuses: dict[JobKey, str] = {
            entry.key: served[entry.key].status if entry.key in served else PENDING
            for entry in plan.entries
            if entry.action is not Action.ORPHAN
        }
        self.counts = Counter(self._statuses.values())

    def of(self, purchase_id: PurchaseId) -> list[Job]:
        """The jobs that a purchase serves."""
        return self._jobs.get(purchase_id, [])

    def add(self, job: Job, purchase_id: PurchaseId) -> None:
        """`purchase_id` is bought for `job`, and serves those too that share it."""
        served = [job, *self._sharing.get(job.key, ())]
        self._jobs[purchase_id] = served
        for each in served:
            self.by_key[each.key] = purchase_id
            self._count(each.key, Status.SUBMITTING)

    def remove(self, purchase_id: PurchaseId) -> None:
        """`purchase_id` turned out to have bought nothing: its jobs are served by none."""
        for job in self._jobs.pop(purchase_id, ()):
            self.by_key.pop(job.key, None)
            self._count(job.key, PENDING)

    def note(self, purchase: Purchase) -> None:
        """Count the jobs that `purchase` serves by the status that it has now."""
        for job in self.of(purchase.id):
            if self.by_key.get(job.key) == purchase.id:
                self._count(job.key, purchase.status)

    def fail(self, key: JobKey) -> None:
        """Count a job as failed for which nothing could be bought."""
        self._count(key, Status.FAILED)

    def _count(self, key: JobKey, status: str) -> None:
        before = self._statuses.get(key)
        if before is not None and before != status:
            self._statuses[key] = status
            self.counts[before] -= 1
            self.counts[status] += 1

    def stem(self, purchase: Purchase) -> tuple[str, bool]:
        """Where the files of a purchase go: its first job's path, else the one that it was bought for.

        Also whether the media of its steps are wanted.
        """
        jobs = self.of(purchase.id)
        if jobs:
            return jobs[0].path, any(job.steps for job in jobs)
        taken = purchase.path.casefold() in self._stems
        return (set_aside(purchase.path, purchase.id) if taken else purchase.path), False

    def keys(self, purchase: Purchase) -> Iterable[JobKey]:
        """The keys to name when something happens to a purchase."""
        return [job.key for job in self.of(purchase.id)] or [purchase.key]

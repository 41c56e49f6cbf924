"""Tracks which jobs each purchase serves, and counts jobs by status, while a run buys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import set_aside
from pipeline.engine.durations import Chain, chains
from pipeline.planning.plan import Action, Entry, Plan
from pipeline.purchases import PENDING, Purchase, PurchaseId, Status
from pipeline.succession import Succession

if TYPE_CHECKING:
    from pipeline.jobs import Job, JobKey


_UNDER_WAY = frozenset({Status.SUBMITTING, Status.SUBMITTED})
_WITHOUT_SUCCESS = frozenset({Status.FAILED, Status.ATTENTION})


class ServedJobs:
    """The jobs that each purchase serves, in plan order; `by_key` is the inverse.

    `counts` has, by status, the number of jobs that the run has work for: `pending` if nothing is bought yet,
    `succeeded` if files have to be fetched.
    """

    def __init__(self, plan: Plan) -> None:
        assignment = plan.assignment
        self._matcher = assignment.matcher
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
        followed = {purchase.id for purchase in plan.followed}
        self._statuses: dict[JobKey, str] = {
            entry.key: status for entry in plan.entries if (status := _to_begin_with(entry, followed))
        }
        self.counts = Counter(self._statuses.values())
        self._templates = {
            entry.key: entry.job.request.template_id for entry in plan.buying if entry.job is not None
        }
        self._made_after = plan.made_after()
        self._has_chains = any(self._made_after.values())
        self._template_ids = (
            {entry.key: entry.job.request.template_id for entry in plan.entries if entry.job is not None}
            if self._has_chains
            else self._templates
        )

    def waiting(self, canaries: Mapping[str, JobKey]) -> Counter[str]:
        """The number of purchases still to be made, by template; `canaries` are those of `BuyQueue`."""
        return Counter(
            template_id for key, template_id in self._templates.items() if self._is_to_come(key, canaries)
        )

    def chains(self, canaries: Mapping[str, JobKey]) -> Collection[Chain]:
        """What is still to be made one after another."""
        if not self._has_chains:
            return ()
        template_ids = self._template_ids
        waiting = (key for key in self._statuses if self._is_to_come(key, canaries))
        return chains(
            {key: (template_ids[key], self._made_after.get(key)) for key in waiting},
            {key: template_ids[key] for key, status in self._statuses.items() if status in _UNDER_WAY},
        )

    def _is_to_come(self, key: JobKey, canaries: Mapping[str, JobKey]) -> bool:
        """Whether a job is pending, and neither it nor what it is made from waits for what ended without success."""
        if self._statuses[key] != PENDING:
            return False
        at: JobKey | None = key
        while at is not None:
            if self._ended_without_success(at) or self._is_held_back(at, canaries):
                return False
            at = self._made_after.get(at)
        return True

    def _is_held_back(self, key: JobKey, canaries: Mapping[str, JobKey]) -> bool:
        """Whether a job waits for a canary that did not succeed."""
        canary = canaries.get(self._template_ids.get(key, ""))
        return (
            canary is not None and self._statuses.get(key) == PENDING and self._ended_without_success(canary)
        )

    def _ended_without_success(self, key: JobKey) -> bool:
        return self._statuses.get(key) in _WITHOUT_SUCCESS

    def of(self, purchase_id: PurchaseId) -> list[Job]:
        """The jobs that a purchase serves."""
        return self._jobs.get(purchase_id, [])

    def sharing(self, job: Job) -> list[Job]:
        """`job`, and the jobs that share its purchase."""
        return [job, *self._sharing.get(job.key, ())]

    def replaced(self, job: Job) -> Collection[PurchaseId]:
        """The purchases that one for `job`, and for the jobs that share it, has to record as replaced."""
        return Succession(self._matcher).replaced(
            job.key, (each.key for each in self._sharing.get(job.key, ()))
        )

    def add(self, job: Job, purchase_id: PurchaseId) -> None:
        """Record that `purchase_id` is bought for `job`, and also serves the jobs that share it."""
        served = self.sharing(job)
        self._jobs[purchase_id] = served
        for each in served:
            self.by_key[each.key] = purchase_id
            self._count(each.key, Status.SUBMITTING)

    def remove(self, purchase_id: PurchaseId) -> None:
        """Record that `purchase_id` bought nothing, and no longer serves its jobs."""
        for job in self._jobs.pop(purchase_id, ()):
            self.by_key.pop(job.key, None)
            self._count(job.key, PENDING)

    def note(self, purchase: Purchase) -> None:
        """Count the jobs that `purchase` serves under its current status."""
        for job in self.of(purchase.id):
            if self.by_key.get(job.key) == purchase.id:
                self._count(job.key, purchase.status)

    def complete(self, key: JobKey) -> None:
        """Count a job as done: its files are here, whenever they were fetched."""
        self._count(key, Status.DONE)

    def fail(self, key: JobKey) -> None:
        """Count a job for which nothing could be bought as failed."""
        self._count(key, Status.FAILED)

    def _count(self, key: JobKey, status: str) -> None:
        before = self._statuses.get(key)
        if before is not None and before != status:
            self._statuses[key] = status
            self.counts[before] -= 1
            self.counts[status] += 1

    def stem(self, purchase: Purchase) -> tuple[str, bool]:
        """The path stem for the files of a purchase: its first job's path, or else the one that it was bought for.

        Also returns whether the media of its steps are wanted.
        """
        jobs = self.of(purchase.id)
        if jobs:
            return jobs[0].path, any(job.steps for job in jobs)
        taken = purchase.path.casefold() in self._stems
        return (set_aside(purchase.path, purchase.id) if taken else purchase.path), False

    def keys(self, purchase: Purchase) -> Iterable[JobKey]:
        """The keys to name when something happens to a purchase."""
        return [job.key for job in self.of(purchase.id)] or [purchase.key]

    def names(self, purchase: Purchase) -> Iterable[str]:
        """As `keys`, for messages: of one that serves no job with its id, as its key may be that of a job by now."""
        return [job.key for job in self.of(purchase.id)] or [f"{purchase.key} ({purchase.id})"]


def _to_begin_with(entry: Entry, followed: Collection[PurchaseId]) -> str | None:
    """The initial status of a job that the run has work for; None if it has none."""
    if entry.buys or entry.action is Action.SHARE:
        return PENDING
    if entry.action is Action.ORPHAN or entry.purchase is None:
        return None
    if entry.action is Action.DOWNLOAD:
        return Status.SUCCEEDED
    if entry.action is Action.RESUME:
        return entry.purchase.status
    if entry.purchase.id not in followed:
        return None
    # Either done, but its files are not here; or failed, and to be polled once more.
    return Status.SUCCEEDED if entry.purchase.status is Status.DONE else Status.SUBMITTED

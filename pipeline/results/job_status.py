"""The status of each job, the totals, and the resulting exit code.

Above the state, counts of jobs and sums of credits are computed only here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.errors import ExitCode, counted, most_urgent
from pipeline.jobs import Job, JobKey
from pipeline.planning.hints import name_to_resolve
from pipeline.purchases import PENDING, Purchase, PurchaseId, Reason, Status, is_free

if TYPE_CHECKING:
    from pipeline.assignment import Assignment, Matcher
    from pipeline.json_values import Json

# The reason of a purchase in attention that another machine is about to send. It is temporary, so no results hold it.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JobStatus:
    """The status of the purchase that serves a job, or `pending`.

    Only a run knows of failed inputs, and `ELSEWHERE` is only temporary.
    """

    status: str
    reason: str | None
    purchase: Purchase | None

    def __repr__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        purchase = f", purchase {self.purchase.id}" if self.purchase is not None else ""
        return f"<JobStatus: {self.status}{reason}{purchase}>"


def job_status(
    job: Job,
    assignment: Assignment,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
    blocked: Collection[JobKey] = (),
    elsewhere: Collection[PurchaseId] = (),
) -> JobStatus:
    """The status of `job`. `inputs` and `blocked` are what the run that just ended knows.

    `elsewhere` are purchases in attention that another machine is about to send.
    """
    purchase = assignment.by_key.get(job.key)
    if purchase is None:
        if job.key in inputs:
            return JobStatus(status=Status.FAILED.value, reason=Reason.INPUT.value, purchase=None)
        return JobStatus(status=PENDING, reason=None, purchase=None)
    if purchase.status is Status.DONE and job.key in blocked:
        # Its files are here, but not at the paths that the manifest wants.
        return JobStatus(status=Status.SUCCEEDED.value, reason=None, purchase=purchase)
    reason = purchase.reason.value if purchase.reason else None
    if purchase.status is Status.ATTENTION and purchase.id in elsewhere:
        reason = ELSEWHERE
    return JobStatus(status=purchase.status.value, reason=reason, purchase=purchase)


def job_statuses(
    assignment: Assignment,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
    blocked: Collection[JobKey] = (),
    elsewhere: Collection[PurchaseId] = (),
) -> dict[JobKey, JobStatus]:
    """The status of every job, in the plan's order."""
    return {job.key: job_status(job, assignment, inputs, blocked, elsewhere) for job in assignment.jobs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`jobs` by status; `credits` ever spent; `unpriced`, the number of purchases with an unknown price."""

    jobs: Mapping[str, int]
    credits: int
    unpriced: int

    @property
    def cost(self) -> str:
        """The credits spent, and the number of purchases with no known price, which does not count as zero."""
        known = counted(self.credits, "credit")
        unknown = f"{counted(self.unpriced, 'purchase')} with no known price"
        if self.unpriced:
            return f"{known} + {unknown}" if self.credits else unknown
        return known

    def as_json(self) -> dict[str, Json]:
        """The summary as in the results manifest."""
        return {"jobs": dict(self.jobs), "credits": self.credits}


def summarize(statuses: Iterable[str], purchases: Iterable[Purchase]) -> Summary:
    """Count the jobs by status, in the order of the statuses' names, and add up the cost of `purchases`."""
    counts = Counter(statuses)
    listed = list(purchases)
    return Summary(
        jobs={status: counts[status] for status in sorted(counts)},
        credits=credits_spent(listed),
        unpriced=sum(each.is_unpriced for each in listed),
    )


def credits_spent(purchases: Iterable[Purchase]) -> int:
    """The known credits of all purchases, whether they serve a job or not."""
    return sum(purchase.cost for purchase in purchases)


def credits_written(purchases: Iterable[Mapping[str, Any]]) -> int:
    """The known credits of all these purchases, as results write them."""
    return sum(
        each.get("credits") or 0 for each in purchases if not is_free(each["status"], each.get("reason"))
    )


_UNKNOWN = {Status.ATTENTION.value, Status.SUBMITTING.value}
_UNDER_WAY = {Status.SUBMITTED.value, Status.SUCCEEDED.value}
_MADE = {Status.SUCCEEDED.value, Status.DONE.value}

JobStatuses = Mapping[JobKey, JobStatus]


def exit_code(
    assignment: Assignment,
    statuses: JobStatuses,
    *,
    selected: Collection[JobKey],
    stopped: Collection[ExitCode] = (),
    fail_threshold: float = 0.0,
    accepted: Collection[str] = (),
    elsewhere: Collection[PurchaseId] = (),
    inputs: Collection[JobKey] = (),
) -> ExitCode:
    """The exit code of a run that leaves the jobs with these `statuses`.

    `stopped` are the codes for which the run stopped, `selected` the keys of its jobs, `accepted` the statuses under
    way in which it may leave a job, `elsewhere` purchases in attention that another machine is about to send.
    `inputs` are the keys whose inputs failed: a job that was to be made again has failed even if its old take is
    done.
    """
    codes = set(stopped)
    jobs = [job for job in assignment.jobs if job.key in selected]
    failed = [job for job in jobs if job.key in inputs or _failed(job, assignment, statuses)]
    if jobs and len(failed) / len(jobs) > fail_threshold:
        codes.add(ExitCode.FAILED)
    for job in jobs:
        codes |= _codes_of(statuses[job.key].status, statuses[job.key].reason == ELSEWHERE, accepted)
    for purchase in assignment.idle:
        codes |= _codes_of(purchase.status.value, purchase.id in elsewhere, accepted)
    # If a failure stopped the buying, jobs that were not bought for that reason need no code of their own.
    if ExitCode.FAILED not in stopped and any(
        _is_left_over(job, assignment, statuses, selected) for job in jobs
    ):
        codes.add(ExitCode.UNFINISHED)
    return most_urgent(codes)


def waiting_for_approval(assignment: Assignment, statuses: JobStatuses) -> list[JobKey]:
    """The jobs that wait, directly or through others, for a person's approval and for nothing else."""
    return [job.key for job in assignment.jobs if _waits_for_approval(job, assignment, statuses)]


def needing_attention(
    purchases: Collection[Purchase], elsewhere: Collection[PurchaseId] = ()
) -> tuple[Purchase, ...]:
    """The purchases whose outcome only a person can resolve."""
    return tuple(each for each in purchases if each.status is Status.ATTENTION and each.id not in elsewhere)


def names_to_resolve(
    statuses: JobStatuses, unknown: Collection[str], unsettled: Iterable[Purchase], matcher: Matcher
) -> tuple[str, ...]:
    """The argument of `resolve` for each purchase of which only a person can find out whether it was bought.

    These are the `unsettled` ones, and those of jobs with an `unknown` status, unless another machine handles them.
    """
    names: dict[PurchaseId, str] = {}
    for key, job_status in statuses.items():
        purchase = job_status.purchase
        if purchase is not None and job_status.status in unknown and job_status.reason != ELSEWHERE:
            names.setdefault(purchase.id, name_to_resolve(key, purchase, matcher))
    names.update((each.id, each.id) for each in unsettled)
    return tuple(names.values())


def _codes_of(status: str, is_elsewhere: bool, accepted: Collection[str]) -> set[ExitCode]:
    if status in _UNKNOWN:
        return {ExitCode.UNFINISHED if is_elsewhere else ExitCode.ATTENTION}
    return {ExitCode.UNFINISHED} if status in _UNDER_WAY - set(accepted) else set()


def _is_left_over(
    job: Job, assignment: Assignment, statuses: JobStatuses, selected: Collection[JobKey]
) -> bool:
    """Whether nothing serves the job, and no other exit code says why."""
    return (
        statuses[job.key].status == PENDING
        and not _waits_in_vain(job, assignment, statuses, selected)
        and not _waits_for_approval(job, assignment, statuses)
    )


def _root(job: Job, assignment: Assignment, statuses: JobStatuses) -> Job:
    """The job for which a pending one waits in the end: the first upstream not pending, or that will stay so."""
    while statuses[job.key].status == PENDING and job.key not in assignment.not_needed:
        upstream = _upstream(job, assignment, statuses)
        if upstream is None:
            return job
        job = upstream
    return job


def _upstream(job: Job, assignment: Assignment, statuses: JobStatuses) -> Job | None:
    """The upstream of a job; of several takes, one that has not failed if there is any, as one is enough."""
    jobs = assignment.matcher.jobs
    takes = [jobs[key] for key in job.approved_of if key in jobs]
    if takes:
        return min(takes, key=lambda take: statuses[take.key].status == Status.FAILED.value)
    return None if job.upstream is None else jobs[job.upstream]


def _failed(job: Job, assignment: Assignment, statuses: JobStatuses) -> bool:
    """Whether the job failed, or waits for one that failed and so cannot be made."""
    return statuses[_root(job, assignment, statuses).key].status == Status.FAILED.value


def _waits_for_approval(job: Job, assignment: Assignment, statuses: JobStatuses) -> bool:
    """Whether a pending job waits for the approval of one of the takes from which it may be made."""
    while statuses[job.key].status == PENDING and job.key not in assignment.not_needed:
        if job.approved_of and assignment.matcher.source(job) is None:
            takes = [
                assignment.matcher.jobs[key] for key in job.approved_of if key in assignment.matcher.jobs
            ]
            return any(
                statuses[take.key].status in _MADE or _waits_for_approval(take, assignment, statuses)
                for take in takes
            )
        if job.upstream is None:
            return False
        job = assignment.matcher.jobs[job.upstream]
    return False


def _waits_in_vain(
    job: Job, assignment: Assignment, statuses: JobStatuses, selected: Collection[JobKey]
) -> bool:
    """Whether a pending job waits for a selected one that failed or is unknown, which has an exit code of its own.

    Or for nothing: another take is approved, so this one, or the take from which it would be made, is not bought.
    """
    root = _root(job, assignment, statuses)
    if root.key in assignment.not_needed:
        return True
    return root.key in selected and statuses[root.key].status in {Status.FAILED.value, *_UNKNOWN}

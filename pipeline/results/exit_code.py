"""The exit code of a run, from how its jobs stand and why it stopped."""

from collections.abc import Collection, Mapping

from pipeline.assignment import Assignment
from pipeline.errors import ExitCode, most_urgent
from pipeline.jobs import Job, JobKey
from pipeline.purchases import PENDING, Purchase, PurchaseId, Status
from pipeline.results.standing import ELSEWHERE, Standing

_UNKNOWN = {Status.ATTENTION.value, Status.SUBMITTING.value}
_UNDER_WAY = {Status.SUBMITTED.value, Status.SUCCEEDED.value}
_MADE = {Status.SUCCEEDED.value, Status.DONE.value}

Standings = Mapping[JobKey, Standing]


def exit_code(
    assignment: Assignment,
    stands: Standings,
    *,
    selected: Collection[JobKey],
    stopped: Collection[ExitCode] = (),
    fail_threshold: float = 0.0,
    accepted: Collection[str] = (),
    elsewhere: Collection[PurchaseId] = (),
) -> ExitCode:
    """What to end with, where every job stands as in `stands`.

    `stopped` are the reasons that the run gave, `selected` the keys it was about, `accepted` the statuses under
    way with which it was to leave a job, `elsewhere` purchases in attention that another machine is about to send.
    """
    codes = set(stopped)
    jobs = [job for job in assignment.jobs if job.key in selected]
    failed = [job for job in jobs if _failed(job, assignment, stands)]
    if jobs and len(failed) / len(jobs) > fail_threshold:
        codes.add(ExitCode.FAILED)
    for job in jobs:
        codes |= _codes_of(stands[job.key].status, stands[job.key].reason == ELSEWHERE, accepted)
    for purchase in assignment.idle:
        codes |= _codes_of(purchase.status.value, purchase.id in elsewhere, accepted)
    # Where a failure stopped the buying, what was not bought for it is no news.
    if ExitCode.FAILED not in stopped and any(
        _is_left_over(job, assignment, stands, selected) for job in jobs
    ):
        codes.add(ExitCode.UNFINISHED)
    return most_urgent(codes)


def waiting_for_approval(assignment: Assignment, stands: Standings) -> list[JobKey]:
    """The jobs that wait, directly or through others, for a person's approval and for nothing else."""
    return [job.key for job in assignment.jobs if _waits_for_approval(job, assignment, stands)]


def needing_attention(
    purchases: Collection[Purchase], elsewhere: Collection[PurchaseId] = ()
) -> tuple[Purchase, ...]:
    """Those of `purchases` whose outcome only a person can resolve."""
    return tuple(each for each in purchases if each.status is Status.ATTENTION and each.id not in elsewhere)


def _codes_of(status: str, is_elsewhere: bool, accepted: Collection[str]) -> set[ExitCode]:
    if status in _UNKNOWN:
        return {ExitCode.UNFINISHED if is_elsewhere else ExitCode.ATTENTION}
    return {ExitCode.UNFINISHED} if status in _UNDER_WAY - set(accepted) else set()


def _is_left_over(job: Job, assignment: Assignment, stands: Standings, selected: Collection[JobKey]) -> bool:
    """Whether nothing serves the job, and no other code says why."""
    return (
        stands[job.key].status == PENDING
        and not _waits_in_vain(job, assignment, stands, selected)
        and not _waits_for_approval(job, assignment, stands)
    )


def _root(job: Job, assignment: Assignment, stands: Standings) -> Job:
    """The job that a pending one waits for in the end: the first upstream that is not pending, or stays so."""
    while stands[job.key].status == PENDING and job.key not in assignment.not_needed:
        upstream = _upstream(job, assignment, stands)
        if upstream is None:
            return job
        job = upstream
    return job


def _upstream(job: Job, assignment: Assignment, stands: Standings) -> Job | None:
    """What the job is made from; of several takes the one that is furthest on, as one is enough."""
    jobs = assignment.matcher.jobs
    takes = [jobs[key] for key in job.approved_of if key in jobs]
    if takes:
        return min(takes, key=lambda take: stands[take.key].status == Status.FAILED.value)
    return None if job.upstream is None else jobs[job.upstream]


def _failed(job: Job, assignment: Assignment, stands: Standings) -> bool:
    """Whether it failed, or waits for one that did: nothing comes of it either."""
    return stands[_root(job, assignment, stands).key].status == Status.FAILED.value


def _waits_for_approval(job: Job, assignment: Assignment, stands: Standings) -> bool:
    """Whether a pending job waits for one of the takes that it may be made from to be approved."""
    while stands[job.key].status == PENDING and job.key not in assignment.not_needed:
        if job.approved_of and assignment.matcher.source(job) is None:
            takes = [
                assignment.matcher.jobs[key] for key in job.approved_of if key in assignment.matcher.jobs
            ]
            return any(
                stands[take.key].status in _MADE or _waits_for_approval(take, assignment, stands)
                for take in takes
            )
        if job.upstream is None:
            return False
        job = assignment.matcher.jobs[job.upstream]
    return False


def _waits_in_vain(job: Job, assignment: Assignment, stands: Standings, selected: Collection[JobKey]) -> bool:
    """Whether a pending job waits for a selected one that failed or is unknown, which tells its own code.

    Or for nothing at all: another take is approved, so this one, or what it would be made from, is not bought.
    """
    root = _root(job, assignment, stands)
    if root.key in assignment.not_needed:
        return True
    return root.key in selected and stands[root.key].status in {Status.FAILED.value, *_UNKNOWN}

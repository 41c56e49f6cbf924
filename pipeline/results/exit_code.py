"""The exit code that a run has earned, from how its jobs stand and why it stopped."""

from collections.abc import Collection, Mapping

from pipeline.assignment import Assignment
from pipeline.errors import ExitCode, most_urgent
from pipeline.jobs import Job, JobKey
from pipeline.purchases import Status
from pipeline.results.standing import PENDING, standings

_UNKNOWN = {Status.ATTENTION.value, Status.SUBMITTING.value}
_UNDER_WAY = {Status.SUBMITTED.value, Status.SUCCEEDED.value}


def exit_code(
    assignment: Assignment,
    *,
    selected: Collection[JobKey],
    stopped: Collection[ExitCode],
    inputs: Mapping[JobKey, str],
    blocked: Collection[JobKey],
    fail_threshold: float,
    accepted: Collection[str] = (),
) -> ExitCode:
    """What to end with.

    `stopped` are the reasons that the run gave, `selected` the keys it was about, `accepted` the statuses under
    way with which it was to leave a job.
    """
    jobs = [job for job in assignment.jobs if job.key in selected]
    statuses = {key: stand.status for key, stand in standings(assignment, inputs, blocked).items()}
    chosen = {statuses[job.key] for job in jobs}
    codes = set(stopped)
    failed = [job for job in jobs if _failed(job, assignment, statuses)]
    if jobs and len(failed) / len(jobs) > fail_threshold:
        codes.add(ExitCode.FAILED)
    if chosen & _UNKNOWN or any(each.status is Status.ATTENTION for each in assignment.idle):
        codes.add(ExitCode.ATTENTION)
    if (chosen | {each.status.value for each in assignment.idle}) & (_UNDER_WAY - set(accepted)):
        codes.add(ExitCode.UNFINISHED)
    # Where a failure stopped the buying, what was not bought for it is no news.
    if ExitCode.FAILED not in stopped and any(
        statuses[job.key] == PENDING and not _waits_in_vain(job, assignment, statuses, selected)
        for job in jobs
    ):
        codes.add(ExitCode.UNFINISHED)
    return most_urgent(codes)


def _root(job: Job, assignment: Assignment, statuses: Mapping[JobKey, str]) -> Job:
    """The job that a pending one waits for in the end: the first upstream that is not pending, or stays so."""
    while statuses[job.key] == PENDING and job.upstream is not None and job.key not in assignment.not_needed:
        job = assignment.matcher.jobs[job.upstream]
    return job


def _failed(job: Job, assignment: Assignment, statuses: Mapping[JobKey, str]) -> bool:
    """Whether it failed, or waits for one that did: nothing comes of it either."""
    return statuses[_root(job, assignment, statuses).key] == Status.FAILED.value


def _waits_in_vain(
    job: Job, assignment: Assignment, statuses: Mapping[JobKey, str], selected: Collection[JobKey]
) -> bool:
    """Whether a pending job waits for a selected one that failed or is unknown, which tells its own code.

    Or for nothing at all: another take is approved, so this one, or what it would be made from, is not bought.
    """
    root = _root(job, assignment, statuses)
    if root.key in assignment.not_needed:
        return True
    return root.key in selected and statuses[root.key] in {Status.FAILED.value, *_UNKNOWN}

"""The outcome of a run, or of a `collect`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.artifacts.inventory import fetched
from pipeline.errors import ExitCode
from pipeline.jobs import Job, JobKey
from pipeline.purchases import Purchase, Status
from pipeline.results.job_status import JobStatus, Summary
from pipeline.schemes import OutputLocation


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """How a run ended: each job's status by key, the exit code of `pipeline run`, and notes on why it stopped.

    `files` has, by key, the results in the output folder. `summary` counts these jobs and all credits ever spent;
    `bought` creates and `spent` credits are this run's. `unsettled` are purchases in `attention` that serve no job
    now; `to_resolve` names all purchases in `attention` as `resolve` accepts them. `waiting` are jobs that wait only
    for a person's approval; `to_be_bought_again` are jobs that were to be replaced and whose replacement was not
    bought, although their earlier purchase has the flag `again`. `published`: the results manifest has all of this.
    `inputs` has, by key, why nothing could be bought for a job. `without_result` are jobs that are still to end,
    although the vendor calls their workflow finished: it lists no result that can be used. `last_bought` has, by the
    key that it was bought for, the last purchase of this run, if it bought several, without void ones.
    """

    jobs: Mapping[JobKey, JobStatus]
    code: ExitCode
    notes: tuple[str, ...]
    files: Mapping[JobKey, Sequence[OutputLocation]]
    summary: Summary
    bought: int
    spent: int
    unsettled: tuple[Purchase, ...] = ()
    to_resolve: tuple[str, ...] = ()
    waiting: tuple[JobKey, ...] = ()
    to_be_bought_again: tuple[JobKey, ...] = ()
    published: bool = True
    inputs: Mapping[JobKey, str] = field(default_factory=dict)
    without_result: frozenset[JobKey] = frozenset()
    last_bought: Mapping[JobKey, Purchase] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {status}" for status, number in self.summary.jobs.items())
        return f"<Outcome: {counts or 'no jobs'}; {self.bought} bought, exit code {int(self.code)}>"

    @property
    def is_done(self) -> bool:
        """Whether every job is done."""
        return self.code is ExitCode.OK


def files_of(
    jobs: Iterable[Job], statuses: Mapping[JobKey, JobStatus], location: OutputLocation
) -> dict[JobKey, list[OutputLocation]]:
    """By key, the results of finished jobs that exist in the output folder.

    Those in an object store are assumed to be where they were put: the store is not called.
    """
    found: dict[JobKey, list[OutputLocation]] = {}
    for job in jobs:
        job_status = statuses.get(job.key)
        if job_status is None or job_status.purchase is None or job_status.status != Status.DONE.value:
            continue
        paths = (location / file.path for file in fetched(job_status.purchase, job))
        found[job.key] = [path for path in paths if not isinstance(path, Path) or path.exists()]
    return found

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
    """How a run ended: by key how each job stands, what `pipeline run` exits with, and why it stopped.

    `files` are, by key, the results that are in the output folder. `summary` is of these jobs and of all credits ever
    spent; `bought` creates and `spent` credits are this run's. `unsettled` are purchases in `attention` that serve
    no job now, `to_resolve` names all in `attention` as `resolve` knows them. `waiting` are jobs that wait for a
    person's approval and nothing else; `marked` are those that were to be replaced and were not bought, although what
    served them is marked to be made again. `published`: the results manifest has all of this. `inputs` has, by key,
    why nothing could be bought for a job.
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
    marked: tuple[JobKey, ...] = ()
    published: bool = True
    inputs: Mapping[JobKey, str] = field(default_factory=dict)

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
    """By key, where below the output folder the results of a finished job lie, as far as they are there.

    In an object store they are where they were put: it is not asked again.
    """
    found: dict[JobKey, list[OutputLocation]] = {}
    for job in jobs:
        job_status = statuses.get(job.key)
        if job_status is None or job_status.purchase is None or job_status.status != Status.DONE.value:
            continue
        paths = (location / file.path for file in fetched(job_status.purchase, job))
        found[job.key] = [path for path in paths if not isinstance(path, Path) or path.exists()]
    return found

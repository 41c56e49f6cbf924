"""The outcome of a run, or of a `collect`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.inventory import fetched
from pipeline.errors import ExitCode, counted
from pipeline.jobs import Job, JobKey
from pipeline.planning.plan import Action, Plan
from pipeline.purchases import OUTCOME_UNKNOWN, PENDING, Purchase, Records, Status
from pipeline.results.job_status import (
    JobStatus,
    Summary,
    exit_code,
    job_statuses,
    names_to_resolve,
    needing_attention,
    summarize,
    waiting_for_approval,
)
from pipeline.schemes import OutputLocation

if TYPE_CHECKING:
    from pipeline.assignment import Assignment
    from pipeline.engine.reporter import RunReport
    from pipeline.operations.campaign_state import CampaignState


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """How a run ended: each job's status by key, the exit code of `pipeline run`, and notes on why it stopped.

    `files` has, by key, the results in the output folder. `summary` counts these jobs and all credits ever spent;
    `bought` creates and `spent` credits are this run's. `unsettled` are purchases in `attention` that serve no job
    now; `to_resolve` names all purchases in `attention` as `resolve` accepts them. `waiting` are jobs that wait only
    for a person's approval; `to_be_bought_again` are jobs that were to be replaced and whose replacement was not
    bought, although their earlier purchase has the flag `again`. `published`: the results manifest has all of this.
    `inputs` has, by key, why nothing could be bought for a job. `without_result` are jobs that are still to end,
    although the vendor calls their workflow finished: it lists no result that can be used. `unbought` has, by key,
    why a job was left to the next run. `last_bought` has, by the
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
    unbought: Mapping[JobKey, str] = field(default_factory=dict)
    last_bought: Mapping[JobKey, Purchase] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {status}" for status, number in self.summary.jobs.items())
        return f"<Outcome: {counts or 'no jobs'}; {self.bought} bought, exit code {int(self.code)}>"

    @property
    def is_done(self) -> bool:
        """Whether every job is done."""
        return self.code is ExitCode.OK


def outcome_of(
    plan: Plan,
    state: CampaignState,
    *,
    before: CampaignState,
    report: RunReport,
    stopped: ExitCode | None,
    fail_threshold: float,
    accepted: Collection[str],
    published: bool,
) -> Outcome:
    """The outcome of a run that carried out `plan` and left `state`, having found `before`.

    `stopped` is the exit code of a request to stop, if there was one. What share of jobs may fail, and which of their
    statuses are no failures, say `fail_threshold` and `accepted`.
    """
    elsewhere = state.elsewhere()
    # A take that is not needed, because another one is approved, is not an unfinished job.
    assignment = state.published_assignment
    selected = {
        each.key
        for each in plan.entries
        if (each.action is not Action.PINNED or each.purchase) and each.key not in assignment.not_needed
    }
    statuses = job_statuses(assignment, report.inputs, report.blocked, elsewhere)
    code = exit_code(
        _without_what_others_follow(assignment, before),
        statuses,
        selected=selected,
        stopped={*report.codes, *([stopped] if stopped is not None else [])},
        fail_threshold=fail_threshold,
        accepted=accepted,
        elsewhere=elsewhere,
        inputs=report.inputs,
    )
    waiting = waiting_for_approval(assignment, statuses)
    jobs = {key: job_status for key, job_status in statuses.items() if key in selected}
    spent, unsettled = state.store.spent(), needing_attention(assignment.idle, elsewhere)
    return Outcome(
        jobs=jobs,
        code=code,
        notes=(*report.notes, *_to_be_bought_now(plan, jobs, assignment)),
        files=files_of(state.jobs, jobs, state.workspace.output),
        summary=summarize(
            (job_status.status for job_status in jobs.values()), state.records.purchases.values()
        ),
        bought=spent.creates,
        spent=spent.credits,
        unsettled=unsettled,
        to_resolve=names_to_resolve(jobs, OUTCOME_UNKNOWN, unsettled, assignment.matcher),
        waiting=tuple(key for key in waiting if key in selected),
        to_be_bought_again=tuple(_to_be_bought_again(plan, jobs, state.records)),
        published=published,
        inputs=dict(report.inputs),
        without_result=frozenset(
            key for key in report.without_result & jobs.keys() if jobs[key].status == Status.SUBMITTED
        ),
        unbought=dict(report.unbought),
        last_bought=_last_bought(state, before),
    )


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


def _without_what_others_follow(assignment: Assignment, before: CampaignState) -> Assignment:
    """`assignment` without idle purchases of other machines, which finish these themselves."""
    known = before.records.purchases.keys() | before.store.recorded()
    return replace(
        assignment,
        earlier=tuple(each for each in assignment.earlier if each.id in known),
        orphans=tuple(each for each in assignment.orphans if each.id in known),
    )


def _last_bought(state: CampaignState, before: CampaignState) -> dict[JobKey, Purchase]:
    """By key, the last purchase that the run made, without void ones."""
    made = state.store.recorded() - before.records.purchases.keys()
    purchases = [each for each in state.records.purchases.values() if each.id in made]
    in_order = sorted(purchases, key=lambda purchase: purchase.age)
    return {each.key: each for each in in_order if each.status is not Status.VOID}


def _to_be_bought_now(plan: Plan, jobs: Mapping[JobKey, JobStatus], assignment: Assignment) -> Iterator[str]:
    """The note on the jobs that waited when the run was planned, and no longer have to; none if there are none."""
    waited = (each.job for each in plan.of(Action.WAIT) if each.job is not None and each.key in jobs)
    sources = (assignment.matcher.source(job) for job in waited if jobs[job.key].status == PENDING)
    if number := sum(source is not None and source.may_be_made_from for source in sources):
        waited_for = counted(number, "job waited for what it is", "jobs waited for what they are")
        yield f"{waited_for} made from, and can be bought now: run again"


def _to_be_bought_again(plan: Plan, jobs: Mapping[JobKey, JobStatus], records: Records) -> Iterator[JobKey]:
    """The jobs that nothing serves: their purchase is to be bought again, and the new one was not bought."""
    again = {each.id for each in records.purchases.values() if each.again}
    for key, job_status in jobs.items():
        entry = plan.entry(key)
        buyer = entry if entry is None or entry.buyer is None else plan.entry(entry.buyer)
        if job_status.status == PENDING and buyer is not None and not again.isdisjoint(buyer.supersedes):
            yield key

"""The status of a campaign: its jobs, the decisions on them, and the credits spent."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.assignment import Matcher
from pipeline.errors import counted
from pipeline.jobs import Job, JobKey
from pipeline.operations.campaign_state import CampaignState, files_here
from pipeline.operations.lost_decisions import jobs_of
from pipeline.operations.run_note import why_not_bought
from pipeline.planning.prune import without_successor
from pipeline.planning.send_back import held_by_failures
from pipeline.purchases import PENDING, Purchase, PurchaseId, Status
from pipeline.results.decisions import Decision, Verdict
from pipeline.results.job_status import (
    JobStatus,
    Summary,
    job_statuses,
    names_to_resolve,
    needing_attention,
    summarize,
)
from pipeline.schemes import OutputLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTake:
    """A purchase that once served the job of `key` and serves none now, and its results in the output folder.

    `is_last`: it is the last good take of a job whose successor is not done, so it has not been replaced yet.
    `is_replaced`: another purchase serves its job now.
    """

    key: JobKey
    purchase: Purchase
    is_last: bool
    is_replaced: bool
    decision: Decision | None
    files: Sequence[OutputLocation]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CampaignStatus:
    """The status of a campaign's jobs, or of those selected.

    `unsettled` are their purchases in `attention` that serve no job now, and `elsewhere` those of them that another
    machine is about to send. `to_resolve` names all purchases in `attention` as `resolve` accepts them;
    `not_selected` counts those outside the selection, which are listed nowhere. `target` is the manifest as suggested
    commands name it. `decisions` has, by key, the decision on the purchase that serves the job or served it last.
    `held_by_failures` are the jobs that were sent back and are not made again, as a failure from before serves in
    their place. `lost_approvals` are approved purchases that only results show, with their jobs: a run would be
    refused. `unbought` has, by key, why the last run on this machine left a pending job to the next one.
    """

    campaign: str
    target: str
    jobs: Mapping[JobKey, JobStatus]
    decisions: Mapping[JobKey, Decision]
    summary: Summary
    unsettled: tuple[Purchase, ...]
    elsewhere: tuple[Purchase, ...]
    to_resolve: tuple[str, ...]
    earlier: Sequence[EarlierTake]
    orphans: int
    not_selected: int = 0
    held_by_failures: tuple[JobKey, ...] = ()
    lost_approvals: Mapping[PurchaseId, JobKey] = field(default_factory=dict)
    unbought: Mapping[JobKey, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {status}" for status, number in self.summary.jobs.items())
        lost = f"; lacks {counted(len(self.lost_approvals), 'approval')}" if self.lost_approvals else ""
        return f"<CampaignStatus {self.campaign}: {counts or 'no jobs'}; {self.summary.cost}{lost}>"

    @property
    def decided(self) -> Counter[Verdict]:
        """The number of jobs by verdict."""
        return Counter(each.decision for each in self.decisions.values() if each.decision is not None)


def status(state: CampaignState, keys: Collection[JobKey] | None = None) -> CampaignStatus:
    """The status of the jobs of `keys`, None: of all; credits are always the campaign's."""
    elsewhere = state.elsewhere()
    statuses = job_statuses(state.assignment, elsewhere=elsewhere)
    jobs = {key: job_status for key, job_status in statuses.items() if keys is None or key in keys}
    idle = [each for each in needing_attention(state.assignment.idle) if keys is None or each.key in keys]
    unsettled = needing_attention(idle, elsewhere)
    return CampaignStatus(
        campaign=state.workspace.campaign.name,
        target=state.workspace.target,
        lost_approvals=jobs_of(state.lost_approvals),
        jobs=jobs,
        decisions=_decisions(state, jobs),
        summary=summarize(
            (job_status.status for job_status in jobs.values()), state.records.purchases.values()
        ),
        unsettled=unsettled,
        elsewhere=tuple(each for each in idle if each.id in elsewhere),
        to_resolve=names_to_resolve(jobs, {Status.ATTENTION}, unsettled, state.assignment.matcher),
        not_selected=_not_selected(state, jobs, unsettled),
        earlier=_earlier(state, jobs),
        orphans=len(state.assignment.orphans),
        held_by_failures=tuple(key for key in held_by_failures(state.assignment) if key in jobs),
        unbought=why_left(state, [key for key, each in jobs.items() if each.status == PENDING]),
    )


def why_left(state: CampaignState, pending: Iterable[JobKey]) -> dict[JobKey, str]:
    """By key, why the last run on this machine left these `pending` jobs to the next one, as far as that still holds.

    What was said of the file that a job is made from holds as long as the upstream still has succeeded.
    """
    why, matcher = why_not_bought(state.workspace.run_note), state.assignment.matcher
    said = {key: reason for key in pending if (reason := why(key)) is not None}
    return {key: reason for key, reason in said.items() if _has_source(matcher, matcher.jobs[key])}


def _has_source(matcher: Matcher, job: Job) -> bool:
    source = matcher.source(job)
    return job.upstream is None or (source is not None and source.may_be_made_from)


def _not_selected(
    state: CampaignState, jobs: Mapping[JobKey, JobStatus], unsettled: Collection[Purchase]
) -> int:
    """The number of purchases with an unknown outcome besides those of `jobs` and the `unsettled` ones."""
    assignment = state.assignment
    known = {each.id: each for each in (*assignment.by_key.values(), *assignment.idle)}
    listed = {each.id for each in unsettled}
    listed.update(each.purchase.id for each in jobs.values() if each.purchase is not None)
    unknown = needing_attention(list(known.values()), state.elsewhere())
    return sum(each.id not in listed for each in unknown)


def _decisions(state: CampaignState, jobs: Mapping[JobKey, JobStatus]) -> dict[JobKey, Decision]:
    found: dict[JobKey, Decision] = {}
    if not state.decided:
        return found
    for key, job_status in jobs.items():
        purchase = job_status.purchase or state.assignment.matcher.last(key)
        if purchase is not None and purchase.id in state.decided:
            found[key] = state.decided[purchase.id]
    return found


def _earlier(state: CampaignState, jobs: Collection[JobKey]) -> list[EarlierTake]:
    idle = {each.id for each in state.assignment.idle}
    last = [(key, each) for key, each in without_successor(state.assignment) if each.id in idle]
    last_ids = {each.id for _, each in last}
    others = ((each.key, each) for each in state.assignment.earlier if each.id not in last_ids)
    takes = [(key, each) for key, each in (*last, *others) if key in jobs]
    if not takes:
        return []
    outputs = state.outputs()
    return [
        EarlierTake(
            key=key,
            purchase=each,
            is_last=each.id in last_ids,
            is_replaced=key in state.assignment.by_key,
            decision=state.decided.get(each.id),
            files=files_here(outputs, each),
        )
        for key, each in sorted(takes, key=lambda take: (take[0], take[1].age))
    ]

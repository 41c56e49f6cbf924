"""Follows the runs of a campaign from another process, by their records. Reads only, and takes no lock.

Shards run at the same time, so there may be several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.engine.durations import Chain, Durations, TimeLeft, chains, time_left
from pipeline.engine.in_flight import recorded_age
from pipeline.engine.reporter import Tally, tally_of
from pipeline.jobs import JobKey, template_names
from pipeline.operations.clock import now
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.run_note import short_hash
from pipeline.operations.run_plan import as_begun, held_back
from pipeline.operations.watched_runs import WatchedRuns
from pipeline.planning.forecast import MAKING
from pipeline.planning.make import make
from pipeline.planning.plan import Action, PlanOptions
from pipeline.purchases import PENDING, Purchase, PurchaseId, Status
from pipeline.results.job_status import job_statuses, summarize

if TYPE_CHECKING:
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.workspace import Workspace
    from pipeline.state.lock import Holder

_ENDED = frozenset({Status.DONE.value, Status.FAILED.value, Status.ATTENTION.value})


@dataclass(frozen=True, slots=True)
class WatchedJob:
    """A job's status, the purchase that serves it, and why it failed."""

    status: str
    purchase: Purchase | None = None
    reason: str = ""


class Watch:
    """The status of the jobs of one campaign at each look; jobs that had ended before the run are not counted.

    `select` returns the keys that it is limited to; None: all.
    """

    def __init__(
        self, workspace: Workspace, select: Callable[[CampaignState], Collection[JobKey] | None]
    ) -> None:
        self._workspace = workspace
        self._runs = WatchedRuns(workspace)
        self._select = select
        self._stamps: object = ()
        self._has_looked = False
        self._jobs: dict[JobKey, WatchedJob] = {}
        self._counted: set[JobKey] = set()
        # By pending job that the run buys, its template and what it asks for.
        self._asked: dict[JobKey, tuple[str, str | tuple[str, ...]]] = {}
        # By the same job, the one that has to be made before it.
        self._made_from: dict[JobKey, JobKey] = {}
        # Those of these jobs that the run makes no more, as the first of their template did not succeed.
        self._held_back: frozenset[JobKey] = frozenset()
        # By pending job that is not made any more, the one that it was to be made from.
        self._waiting_for: dict[JobKey, JobKey] = {}
        self._names: Mapping[str, str] = {}
        self._purchases: Mapping[PurchaseId, Purchase] = {}
        self._durations = Durations({})

    @property
    def runs(self) -> tuple[Holder, ...]:
        """The runs under way at the last look, the oldest first."""
        return self._runs.under_way

    def look(self) -> list[tuple[JobKey, str]]:
        """Look again; returns the events of jobs since the last look, worded as in a run.

        Raises:
            InvalidInput, UsageError: as for any command that reads the state.
        """
        if self._runs.look():
            self._counted.clear()
            self._count({})
        stamps = self._runs.records_as_they_are()
        if stamps == self._stamps and not self._runs.may_be_written_again():
            return []
        with open_campaign(self._workspace, writable=False) as state:
            before, self._jobs = self._jobs, self._job_statuses(state)
            self._purchases = state.records.purchases
            self._durations = Durations(dict(state.store.durations()))
            self._note_what_is_bought(state)
            self._names = template_names(state.jobs)
        is_first, self._stamps, self._has_looked = not self._has_looked, stamps, True
        self._count(before)
        return [] if is_first else list(_changes(before, self._jobs))

    def tally(self) -> Tally:
        """The tally of the counted jobs at the last look."""
        summary = summarize(
            (self._jobs[key].status for key in self._counted if key in self._jobs),
            (each for each in self._purchases.values() if self._is_of_run(each)),
        )
        return tally_of(
            summary.jobs,
            credits_spent=summary.credits,
            unpriced=summary.unpriced,
            time_left=self._time_left,
        )

    def problems(self) -> list[tuple[JobKey, str]]:
        """The counted jobs that failed or whose outcome is unknown, worded as in a run."""
        return [
            (key, problem)
            for key in sorted(self._counted)
            if key in self._jobs and (problem := _problem(self._jobs[key])) is not None
        ]

    def _job_statuses(self, state: CampaignState) -> dict[JobKey, WatchedJob]:
        chosen = self._select(state)
        statuses = job_statuses(state.assignment, elsewhere=state.elsewhere())
        return {
            key: WatchedJob(job_status.status, job_status.purchase, job_status.reason or "")
            for key, job_status in statuses.items()
            if chosen is None or key in chosen
        }

    def _note_what_is_bought(self, state: CampaignState) -> None:
        """Note the pending jobs that the run buys: what waits for a person, or for what failed, is none of them."""
        self._asked, self._made_from, self._waiting_for = {}, {}, {}
        if all(job.status != PENDING for job in self._jobs.values()):
            return
        selected = self._runs.selected
        own = (
            None
            if selected is None
            else frozenset(each for each in self._jobs if short_hash(each) in selected)
        )
        assignment = as_begun(state.assignment, state.decided, self._runs.since)
        plan = make(assignment, {}, PlanOptions(selected=own), elsewhere=state.elsewhere())
        for entry in plan.of(*MAKING):
            known = self._jobs.get(entry.key)
            if known is not None and known.status == PENDING and entry.job is not None:
                asked = assignment.matcher.requested(entry.key)
                self._asked[entry.key] = (entry.job.request.template_id, asked)
        after = plan.made_after()
        self._made_from = {key: upstream for key in self._asked if (upstream := after.get(key)) is not None}
        self._waiting_for = {
            entry.key: entry.after
            for entry in plan.of(Action.WAIT)
            if entry.after is not None and entry.job is not None and not entry.job.approved_of
        }
        if self._workspace.campaign.limits.canary:
            self._held_back = held_back(plan, filter(self._is_of_run, self._purchases.values()))

    def _count(self, before: Mapping[JobKey, WatchedJob]) -> None:
        """Count the jobs that the run has work for, that it has bought, or that changed between two looks."""
        selected = self._runs.selected
        for key, job in self._jobs.items():
            is_own = selected is None or short_hash(key) in selected
            has_work = self._was_to_be_made(key) if job.status == PENDING else job.status not in _ENDED
            is_open = has_work and is_own
            is_new = is_open or (job.purchase is not None and self._is_of_run(job.purchase))
            if is_new or (key in before and before[key].status != job.status):
                self._counted.add(key)

    def _was_to_be_made(self, key: JobKey) -> bool:
        """Whether a pending job is bought by the run, or would be if what it is made from had not failed in it."""
        return key in self._asked or self._waiting_for.get(key) in self._counted

    def _is_of_run(self, purchase: Purchase) -> bool:
        return bool(self._runs.since) and purchase.bought_at >= self._runs.since

    def _time_left(self) -> TimeLeft:
        if not self.runs:
            return TimeLeft()
        today = now()
        # Jobs may share a purchase, which takes its time once.
        submitted = {
            job.purchase.id: job.purchase
            for key in self._counted
            if (job := self._jobs.get(key)) and job.status == Status.SUBMITTED.value and job.purchase
        }
        running = [(each.template_id, recorded_age(each.bought_at, today)) for each in submitted.values()]
        to_buy = {self._asked[key] for key in self._to_come}
        waiting = Counter(template_id for template_id, _ in to_buy)
        left = time_left(self._durations, running, waiting, self._runs.in_flight, self._chains())
        return left.named(self._names)

    def _chains(self) -> Collection[Chain]:
        if not self._made_from:
            return ()
        under_way = {
            key: job.purchase.template_id
            for key, job in self._jobs.items()
            if job.status == Status.SUBMITTED.value and job.purchase
        }
        waiting = {key: (self._asked[key][0], self._made_from.get(key)) for key in self._to_come}
        return chains(waiting, under_way)

    @property
    def _to_come(self) -> Collection[JobKey]:
        """The counted jobs that the run is still to buy."""
        return (self._counted & self._asked.keys()) - self._held_back


def together(tallies: Collection[Tally]) -> Tally:
    """Several tallies as one; the time left is the longest of theirs."""

    def longest() -> TimeLeft:
        times = [each.time_left() for each in tallies]
        known = [each.seconds for each in times if each.seconds is not None]
        unseen = dict.fromkeys(template for each in times for template in each.unseen)
        return TimeLeft(seconds=max(known)) if known else TimeLeft(unseen=tuple(unseen))

    return Tally(
        done=sum(each.done for each in tallies),
        under_way=sum(each.under_way for each in tallies),
        waiting=sum(each.waiting for each in tallies),
        failed=sum(each.failed for each in tallies),
        unknown=sum(each.unknown for each in tallies),
        credits=sum(each.credits for each in tallies),
        unpriced=sum(each.unpriced for each in tallies),
        time_left=longest,
    )


def _changes(
    before: Mapping[JobKey, WatchedJob], after: Mapping[JobKey, WatchedJob]
) -> Iterator[tuple[JobKey, str]]:
    for key, job in after.items():
        old = before.get(key, WatchedJob(PENDING))
        if (old.status, old.purchase and old.purchase.id) == (job.status, job.purchase and job.purchase.id):
            continue
        match job.status:
            case Status.SUBMITTED:
                yield key, f"bought as {job.purchase.workflow_id if job.purchase else ''}"
            case Status.DONE:
                yield key, "done"
            case _:
                # Otherwise it is about to be bought or fetched; later events report it.
                if (problem := _problem(job)) is not None:
                    yield key, problem


def _problem(job: WatchedJob) -> str | None:
    """The problem of a job, in words; None if it has none."""
    why = job.purchase.error if job.purchase is not None else None
    match job.status:
        case Status.FAILED:
            return f"failed ({job.reason})" + (f": {why}" if why else "")
        case Status.ATTENTION:
            return f"unknown: {why or ''}"
        case _:
            return None

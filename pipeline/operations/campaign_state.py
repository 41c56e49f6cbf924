"""The state of a campaign when a command begins: its jobs, and the purchases of state and results joined."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import from_outside, is_outside
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import Assignment, assign
from pipeline.operations.clock import minutes_ago
from pipeline.operations.published_results import (
    OtherResults,
    paths_in_results,
    published_by_others,
    read_published,
)
from pipeline.operations.record_assignment import served_by
from pipeline.operations.state_parts import open_part, other_parts, read_part
from pipeline.purchases import Decisions, Ownership, Purchase, PurchaseId, Records, Status
from pipeline.results import decisions
from pipeline.state.histories import join_histories
from pipeline.state.recovery import RUN_ENDED, absorb
from pipeline.state.snapshot import join_exports

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.files import FileStamp
    from pipeline.jobs import Job, JobKey
    from pipeline.json_values import Json
    from pipeline.operations.lost_decisions import LostApprovals
    from pipeline.operations.unrecorded_decisions import UnrecordedDecisions
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.split import Split
    from pipeline.results.decisions import Decision
    from pipeline.results.file import ResultsFile, Version
    from pipeline.schemes import OutputLocation
    from pipeline.state.store import LoggedEvent, PlacedFile, Store

# How long a machine has, after its intents were published, to send them and publish the outcomes.
_UNDER_WAY_MINUTES = 15
# How far its clock may be ahead, by a time zone for example. A later time is wrong, and would never pass.
_AHEAD_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignState:
    """The jobs of a campaign, its purchases, and which serves which.

    `writable`: the lock is held, and the joined records are on disk. `results_version` is that of the results
    manifest that the records include, None if there was none; `published` is its content, None also if it did not
    have to be read.

    `decisions` are people's decisions as they count for the assignment; `decided` has the last decision on each
    purchase, with its note; `decisions_stamp` is the stamp of the file that they were read from. `lost_approvals` are
    approvals that only results show, `unrecorded` the decisions on purchases that only the decisions file knows.
    `split` says which part belongs to this shard, None if all of it does. `other_results` are those of other parts,
    as read then. `job_warnings` are the warnings that are known only once the jobs are made.

    Of the other parts of the campaign on this machine, `recorded_by_others` are the purchases whose intent one
    recorded, `awaited_by_others` the creates that a run of one waits for, and `placed_by_others` the files that one
    remembers; states of earlier names count as parts. `former` are the files that are where the output folder was
    before and that the state does not remember there yet.
    """

    workspace: Workspace
    writable: bool
    jobs: list[Job]
    store: Store
    records: Records
    decisions: Decisions
    decided: Mapping[PurchaseId, Decision]
    decisions_stamp: FileStamp | None
    assignment: Assignment
    results_version: Version | None
    published: ResultsFile | None
    lost_approvals: LostApprovals
    unrecorded: UnrecordedDecisions
    other_results: OtherResults
    recorded_by_others: frozenset[PurchaseId] = frozenset()
    awaited_by_others: frozenset[PurchaseId] = frozenset()
    placed_by_others: Sequence[PlacedFile] = ()
    former: Sequence[PlacedFile] = ()
    split: Split | None = None
    job_warnings: tuple[Problem, ...] = ()

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All warnings of the manifest."""
        return (*self.workspace.campaign.warnings, *self.job_warnings)

    @property
    def published_assignment(self) -> Assignment:
        """The assignment that results and outcome report: the whole, or the part of a shard."""
        return self.assignment if self.split is None else self.split.assignment_of(self.assignment)

    def keys_of_run(self, selected: Collection[JobKey] | None) -> Collection[JobKey] | None:
        """The keys that a run of the `selected` ones (None: all) is limited to, as a shard is; None: all."""
        split = self.split
        if split is None:
            return selected
        return {
            job.key
            for job in self.jobs
            if split.has_job(job.key) and (selected is None or job.key in selected)
        }

    def outputs(self) -> OutputFolder:
        """The output folder and the files in it."""
        return OutputFolder(
            self.workspace.output,
            self.placed,
            self.records.purchases,
            self.workspace.scratch,
            published=self._published_paths,
            stems=self._stems,
            record=self.store.index_files,
        )

    @property
    def placed(self) -> Collection[PlacedFile]:
        """The files that this machine has placed, as far as is remembered."""
        return {
            each.path: each for each in (*self.former, *self.placed_by_others, *self.store.files())
        }.values()

    def _published_paths(self) -> Mapping[str, Collection[str]]:
        """Where the results see files of jobs, by hash; read only now, unless the state did not know them."""
        own = self.published or read_published(self.workspace)
        files = [*([] if own is None else [own]), *published_by_others(self.workspace)]
        found = paths_in_results(files, self.workspace.heading().output)
        former, output = (
            {each.path for each in self.placed if is_outside(each.path)},
            self.workspace.local_output,
        )
        if output is None or not former:
            return found
        return {
            digest: [path for path in paths if from_outside(path, folder=output.name) not in former]
            for digest, paths in found.items()
        }

    def _stems(self) -> Mapping[PurchaseId, Collection[str]]:
        """The paths of the jobs that each purchase serves, served last, was bought for, or was replaced in."""
        found: dict[PurchaseId, set[str]] = {}
        paths = {job.key: job.path for job in self.jobs}
        serving = ((key, purchase.id) for key, purchase in self.assignment.by_key.items())
        bought = ((purchase.key, purchase.id) for purchase in self.records.purchases.values())
        served = ((key, each.purchase) for key, each in self.records.served.items())
        for key, purchase_id in (*serving, *bought, *served):
            if key in paths:
                found.setdefault(purchase_id, set()).add(paths[key])
        for purchase in self.records.purchases.values():
            for purchase_id in purchase.replaces:
                found.setdefault(purchase_id, set()).add(purchase.path)
        return found

    def reread(self) -> CampaignState:
        """The state as it is on disk now."""
        return self.with_records(self.store.records())

    def with_records(self, records: Records) -> CampaignState:
        """The state with other `records`. Reads nothing from the store, so any thread may call it."""
        if records == self.records:
            return self
        return replace(self, records=records, assignment=assign(self.jobs, records, self.decisions))

    def with_latest_decisions(self) -> CampaignState:
        """The state with the decisions as they are on disk now.

        Raises:
            InvalidInput: the decisions file is invalid.
        """
        workspace = self.workspace
        latest = decisions.read(workspace.decisions, workspace.decisions_name)
        return replace(self.with_decisions(decisions.in_force(latest)), decided=decisions.by_purchase(latest))

    def with_decisions(self, in_force: Decisions) -> CampaignState:
        """The state if these decisions count for the assignment."""
        if in_force == self.decisions:
            return self
        return replace(self, decisions=in_force, assignment=assign(self.jobs, self.records, in_force))

    def ownership(self) -> Ownership:
        """Proof that a workflow belongs to one of its purchases."""
        return Ownership(campaign=self.workspace.campaign.name, recorded=self._recorded())

    def elsewhere(self) -> frozenset[PurchaseId]:
        """The purchases in `attention` that another run is about to send: on another machine, judged by their age."""
        # The run that recorded an imported intent may still be going on, where the export was made.
        recorded = self.store.recorded_by_runs() | self.recorded_by_others
        return purchases_elsewhere(self.records, recorded - self.awaited_by_others)

    def histories(self, purchases: Collection[PurchaseId]) -> Mapping[PurchaseId, Sequence[LoggedEvent]]:
        """The history of each of `purchases`, oldest first, from all parts of the campaign on this machine."""
        known: list[Mapping[PurchaseId, Sequence[LoggedEvent]]] = []
        for part in other_parts(self.workspace):
            with closing(open_part(self.workspace, part, writable=False)) as store:
                known.append({each: store.events(each) for each in purchases})
        return {
            each: join_histories(self.store.events(each), [part[each] for part in known])
            for each in purchases
        }

    def export(self) -> Mapping[str, Json]:
        """All purchases, what serves each job, and what the parts of the campaign on this machine know of them."""
        others = []
        for part in other_parts(self.workspace):
            with closing(open_part(self.workspace, part, writable=False)) as store:
                others.append(store.export())
        return join_exports(self.store.export(self.records), others, self.decisions)

    def alone(self) -> Records:
        """What the state itself has, all parts of it on this machine joined, without what only results have."""
        parts = (read_part(self.workspace, part).records for part in other_parts(self.workspace))
        return reduce(absorb, parts, self.store.records())

    def _recorded(self) -> frozenset[PurchaseId]:
        """The purchases whose intent was recorded on this machine."""
        return self.store.recorded() | self.recorded_by_others

    def served(self) -> dict[JobKey, PurchaseId]:
        """By job key, the purchase that serves it."""
        return served_by(self.assignment)


def files_here(outputs: OutputFolder, purchase: Purchase) -> list[OutputLocation]:
    """The result files of `purchase` anywhere in the output folder."""
    return [path for path, _, _ in outputs.inventory.files_of(purchase)["result"]]


def purchases_elsewhere(records: Records, recorded: Collection[PurchaseId]) -> frozenset[PurchaseId]:
    """The purchases in `attention` that another run is about to send, judged by age; not those `recorded` here."""
    earliest, latest = minutes_ago(_UNDER_WAY_MINUTES), minutes_ago(-_AHEAD_MINUTES)
    return frozenset(
        purchase.id
        for purchase in records.purchases.values()
        if purchase.status is Status.ATTENTION
        and purchase.error == RUN_ENDED
        and purchase.id not in recorded
        and earliest < purchase.bought_at < latest
    )

"""The state of a campaign when a command begins: its jobs, and the purchases of state and results joined."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import Assignment, assign
from pipeline.files import FileStamp, stamp
from pipeline.jobs import Job, JobKey, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.operations.clock import minutes_ago, now, run_id
from pipeline.operations.earlier_names import KnownBefore, known_before
from pipeline.operations.former_folders import files_in_former_folders
from pipeline.operations.opening_checks import OpeningChecks
from pipeline.operations.published_results import (
    OtherResults,
    joined_hash,
    paths_in_results,
    published_by_others,
    read_published,
)
from pipeline.operations.record_assignment import record_assignment, served_by
from pipeline.planning.split import Split
from pipeline.purchases import (
    UNDECIDED,
    Decisions,
    Ownership,
    Purchase,
    PurchaseId,
    Records,
    Status,
    join_all,
)
from pipeline.results import decisions
from pipeline.results.file import ResultsFile, Version, sweep, version
from pipeline.schemes import DatabaseUrl, OutputLocation, part_location, part_name
from pipeline.state import look
from pipeline.state.histories import join_histories
from pipeline.state.opening import open_store
from pipeline.state.recovery import RUN_ENDED, absorb, recover
from pipeline.state.snapshot import join_exports
from pipeline.state.split_lock import hold_split
from pipeline.state.store import Imported, LoggedEvent, PlacedFile, Store

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.json_values import Json
    from pipeline.operations.lost_decisions import LostApprovals
    from pipeline.operations.unrecorded_decisions import UnrecordedDecisions
    from pipeline.operations.workspace import Workspace
    from pipeline.results.decisions import Decision

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
        return paths_in_results(files, self.workspace.heading().output)

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
        return purchases_elsewhere(self.records, self._recorded() - self.awaited_by_others)

    def histories(self, purchases: Collection[PurchaseId]) -> Mapping[PurchaseId, Sequence[LoggedEvent]]:
        """The history of each of `purchases`, oldest first, from all parts of the campaign on this machine."""
        known: list[Mapping[PurchaseId, Sequence[LoggedEvent]]] = []
        for part in other_parts(self.workspace):
            with closing(_open_store(self.workspace, part, writable=False)) as store:
                known.append({each: store.events(each) for each in purchases})
        return {
            each: join_histories(self.store.events(each), [part[each] for part in known])
            for each in purchases
        }

    def export(self) -> Mapping[str, Json]:
        """All purchases, what serves each job, and what the parts of the campaign on this machine know of them."""
        others = []
        for part in other_parts(self.workspace):
            with closing(_open_store(self.workspace, part, writable=False)) as store:
                others.append(store.export())
        return join_exports(self.store.export(self.records), others, self.decisions)

    def alone(self) -> Records:
        """What the state itself has, all parts of it on this machine joined, without what only results have."""
        parts = (_read_part(self.workspace, part).records for part in other_parts(self.workspace))
        return reduce(absorb, parts, self.store.records())

    def _recorded(self) -> frozenset[PurchaseId]:
        """The purchases whose intent was recorded on this machine."""
        return self.store.recorded() | self.recorded_by_others

    def served(self) -> dict[JobKey, PurchaseId]:
        """By job key, the purchase that serves it."""
        return served_by(self.assignment)


@contextmanager
def open_campaign(workspace: Workspace, *, writable: bool) -> Iterator[CampaignState]:
    """Open a campaign. With `writable`, hold its lock, and join and recover its records on disk, else in memory.

    Raises:
        InvalidInput: manifest, state or results are invalid, or belong to another campaign; a state has purchases of
            this one under an earlier name; or, with `writable`, the decisions lack approvals that results show.
        StateLocked: another run holds the state.
    """
    job_warnings: list[Problem] = []
    jobs = in_plan_order(expand(workspace.campaign, job_warnings.append))
    # Read before a state is created: none is created beside invalid results.
    is_there = isinstance(workspace.state, Path) and os.path.lexists(workspace.state)
    before = None if is_there else read_published(workspace)
    decisions_stamp = stamp(workspace.decisions)
    all_decisions = decisions.read(workspace.decisions, workspace.decisions_name)
    in_force, decided = decisions.in_force(all_decisions), decisions.by_purchase(all_decisions)
    checks = OpeningChecks(workspace=workspace, jobs=jobs, decided=decided, writable=writable)
    if before is not None:  # before a state is created, too
        checks.approvals([before])
    split = _split_of(workspace, jobs, in_force)
    with _held_store(workspace, split, writable=writable) as store:
        results, current = _unknown_results(workspace, store, in_force, before)
        # Results that the state knows were read with these decisions before, and so lack none of their approvals.
        other_results = OtherResults(workspace)
        found = [*other_results.read(), *([] if results is None else [results])]
        lost = checks.approvals(found)
        parts = _read_other_parts(workspace)
        checks.earlier_names({*store.records().purchases, *parts.records.purchases}, found)
        earlier = KnownBefore()
        if not store.records().purchases:
            adopted = join_all((each.records for each in found), in_force)
            earlier = known_before(workspace, adopted.purchases)
            parts = replace(
                parts, recorded=parts.recorded | earlier.recorded, placed=(*parts.placed, *earlier.placed)
            )
        records = _joined(workspace, store, found, parts, in_force, writable=writable)
        known_files = partial(_files_known, store, parts)
        former = files_in_former_folders(workspace, known_files, found, earlier.names)
        if writable and former:
            store.index_files(former)  # the next results name the present folder only
        unrecorded = checks.unrecorded(records.purchases)
        job_warnings += checks.warnings(records.purchases, unrecorded)
        assignment = assign(jobs, records, in_force)
        if writable:
            assignment = record_assignment(store, assignment)
            records = assignment.matcher.records
        yield CampaignState(
            workspace=workspace,
            writable=writable,
            jobs=jobs,
            job_warnings=tuple(job_warnings),
            store=store,
            records=records,
            decisions=in_force,
            decided=decided,
            decisions_stamp=decisions_stamp,
            assignment=assignment,
            results_version=current,
            published=results,
            lost_approvals=lost,
            unrecorded=unrecorded,
            other_results=other_results,
            recorded_by_others=parts.recorded,
            awaited_by_others=parts.awaited,
            placed_by_others=parts.placed,
            former=former,
            split=split,
        )


@contextmanager
def _held_store(workspace: Workspace, split: Split | None, *, writable: bool) -> Iterator[Store]:
    """The state; with `writable`, other runs are kept out, and what a killed one left of the results is removed."""
    hold = _hold_campaign(workspace, split) if writable else nullcontext()
    with hold, closing(_open_store(workspace, workspace.part, writable=writable, split=split)) as store:
        if writable:
            sweep(workspace.results)
        yield store


def _unknown_results(
    workspace: Workspace, store: Store, in_force: Decisions, before: ResultsFile | None
) -> tuple[ResultsFile | None, Version | None]:
    """The results, unless `store` has joined them already, and their version; `before` if it is the same."""
    current, known = version(workspace.results), store.records().purchases
    if current is not None and store.known_results().joined == joined_hash(
        current, workspace, in_force, known
    ):
        return None, current
    if before is not None and before.version == current:
        return before, current
    results = read_published(workspace)
    return results, None if results is None else results.version


def _split_of(workspace: Workspace, jobs: Sequence[Job], decided: Decisions) -> Split | None:
    if workspace.shard is None:
        return None
    # Approvals count too: one keeps a job from being bought, and lets the jobs that wait for it be bought.
    approved = (f"{purchase_id} {key}" for purchase_id, key in sorted(decided.approved.items()))
    return Split(workspace.shard, jobs, asked="\n".join([workspace.asked, *approved, *sorted(decided.redo)]))


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


def _open_store(
    workspace: Workspace, part: str | None, *, writable: bool, split: Split | None = None
) -> Store:
    return open_store(
        part_location(workspace.whole_state, part),
        campaign=workspace.campaign.name,
        part=part,
        split="" if split is None else split.name,
        manifest=workspace.campaign.manifest,
        run=run_id(),
        writable=writable,
        now=now(),
        command=workspace.environment.command,
        allow_network=workspace.environment.allows_network_file_system,
        lease_seconds=workspace.environment.lease_seconds,
    )


def _hold_campaign(workspace: Workspace, split: Split | None) -> AbstractContextManager[None]:
    """Keep out runs that divide the campaign differently: of all of it, or into other shards."""
    if isinstance(workspace.whole_state, DatabaseUrl):
        return nullcontext()  # a conflict is reported when the lease is taken
    if not workspace.environment.allows_network_file_system:
        look.refuse_network_file_system(workspace.whole_state)
    return hold_split(
        workspace.whole_state,
        split=None if split is None else split.name,
        since=now(),
        command=workspace.environment.command,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OtherParts:
    """What other parts of the campaign wrote on this machine.

    Their records, their intents, the creates that a run awaits, and the files that they placed.
    """

    records: Records = Records()
    recorded: frozenset[PurchaseId] = frozenset()
    awaited: frozenset[PurchaseId] = frozenset()
    placed: tuple[PlacedFile, ...] = ()


def _joined(
    workspace: Workspace,
    store: Store,
    results: Sequence[ResultsFile],
    parts: _OtherParts,
    decisions: Decisions,
    *,
    writable: bool,
) -> Records:
    """The records of `store`, of the results, and of other parts on this machine, joined."""
    theirs = [*(each.records for each in results), parts.records]
    published = join_all(theirs, decisions)
    if writable:
        store.recover(now())
        return store.absorb(published, decisions, now(), Imported(recorded=parts.recorded))
    return absorb(_as_a_run_would_find_it(workspace, store.records()), published, decisions)


def _as_a_run_would_find_it(workspace: Workspace, records: Records) -> Records:
    """`records`, with the creates in `attention` whose run ended before they were answered.

    While a run holds the state, the creates that it waits for stay `submitting`. Nothing is written.
    """
    sent = _sent(records)
    # Testing the lock takes it for a moment, so it is tested only if there is a reason.
    if not sent or look.held_by(workspace.state, workspace.state_name) is not None:
        return records
    # The run may have ended after `records` were read and before its lock was tested.
    store = _open_store(workspace, workspace.part, writable=False)
    try:
        last = store.records()
    finally:
        store.close()
    found = {each.id: recover(each) if each.id in sent else each for each in last.purchases.values()}
    return replace(last, purchases=found)


def _read_other_parts(workspace: Workspace) -> _OtherParts:
    """What other parts of the campaign wrote on this machine.

    If the run of a part was killed, only its state may know what it bought.
    """
    found = _OtherParts()
    for part in other_parts(workspace):
        read = _read_part(workspace, part)
        if read.awaited and not _may_go_on(workspace, part):
            # Its run may have ended since its records were read.
            read = replace(_read_part(workspace, part), awaited=frozenset())
        found = _OtherParts(
            records=join_all((found.records, absorb(Records(), read.records, UNDECIDED))),
            recorded=found.recorded | read.recorded,
            awaited=found.awaited | read.awaited,
            placed=(*found.placed, *read.placed),
        )
    return found


def _files_known(store: Store, parts: _OtherParts) -> Sequence[PlacedFile]:
    return (*parts.placed, *store.files())


def _read_part(workspace: Workspace, part: str | None) -> _OtherParts:
    with closing(_open_store(workspace, part, writable=False)) as store:
        records = store.records()
        return _OtherParts(
            records=records,
            recorded=store.recorded(),
            awaited=_sent(records),
            placed=tuple(store.files()),
        )


def _may_go_on(workspace: Workspace, part: str | None) -> bool:
    state = part_location(workspace.whole_state, part)
    return look.is_going_on(state, part_name(workspace.campaign.name, part)) is not False


def _sent(records: Records) -> frozenset[PurchaseId]:
    """The creates that were sent, or are about to be, and not answered."""
    return frozenset(each.id for each in records.purchases.values() if each.status is Status.SUBMITTING)


def other_parts(workspace: Workspace) -> list[str | None]:
    """The other parts of the campaign's state that exist; None stands for the whole.

    Raises:
        InvalidInput, Unfinished: a database cannot be read.
    """
    found = look.parts(workspace.whole_state, workspace.campaign.name)
    return [each for each in found if each != workspace.part]

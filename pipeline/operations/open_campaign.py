"""Opens a campaign: expands its jobs, joins state and results, and assigns the purchases to the jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.assignment import assign
from pipeline.files import stamp
from pipeline.jobs import Job, in_plan_order
from pipeline.join import join_all
from pipeline.manifest.expand import expand
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.clock import now
from pipeline.operations.earlier_names import KnownBefore, known_before
from pipeline.operations.former_folders import files_in_former_folders
from pipeline.operations.opening_checks import OpeningChecks
from pipeline.operations.published_results import OtherResults, joined_hash, read_published
from pipeline.operations.record_assignment import record_assignment
from pipeline.operations.state_parts import OtherParts, awaited_in, open_part, read_other_parts
from pipeline.planning.split import Split
from pipeline.results import decisions
from pipeline.results.file import ResultsFile, Version, sweep, version
from pipeline.schemes import DatabaseUrl
from pipeline.state import look
from pipeline.state.recovery import absorb, recover
from pipeline.state.split_lock import hold_split
from pipeline.state.store import Imported, PlacedFile, Store

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.operations.workspace import Workspace
    from pipeline.purchases import Decisions, Records


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
        parts = read_other_parts(workspace)
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
    with hold, closing(open_part(workspace, workspace.part, writable=writable, split=split)) as store:
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


def _joined(
    workspace: Workspace,
    store: Store,
    results: Sequence[ResultsFile],
    parts: OtherParts,
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
    sent = awaited_in(records)
    # Testing the lock takes it for a moment, so it is tested only if there is a reason.
    if not sent or look.held_by(workspace.state, workspace.state_name) is not None:
        return records
    # The run may have ended after `records` were read and before its lock was tested.
    store = open_part(workspace, workspace.part, writable=False)
    try:
        last = store.records()
    finally:
        store.close()
    found = {each.id: recover(each) if each.id in sent else each for each in last.purchases.values()}
    return replace(last, purchases=found)


def _files_known(store: Store, parts: OtherParts) -> Sequence[PlacedFile]:
    return (*parts.placed, *store.files())

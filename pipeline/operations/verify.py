"""Checks that manifest, state, results, files and vendor agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pipeline.artifacts.file_names import is_outside, located
from pipeline.artifacts.inventory import fetched
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import Assignment, assign
from pipeline.engine.identity import others_named
from pipeline.files import LFS_POINTER
from pipeline.join import join_all
from pipeline.operations.lost_decisions import lost_message
from pipeline.operations.published_results import published_by_others, read_published
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unrecorded_decisions import unrecorded_message
from pipeline.operations.workspace import TOOL
from pipeline.paths import unencodable
from pipeline.planning.planner import last_sent
from pipeline.providers.base import NotFound, Progress, Provider
from pipeline.purchases import Decisions, Purchase, PurchaseId, Status, WorkflowId
from pipeline.results.document import Builder, contradiction, differences, fields_that_differ
from pipeline.results.job_status import summarize
from pipeline.results.merge import as_it_stands, merge_results
from pipeline.state.recovery import absorb

if TYPE_CHECKING:
    from pipeline.jobs import Job, JobKey
    from pipeline.json_values import Json
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.provider import VendorCalls
    from pipeline.results.file import ResultsFile


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One difference between two of them, in words; `found_in` is where it was found."""

    found_in: Literal["results", "files", "vendor"]
    message: str


def in_decisions(state: CampaignState) -> Iterator[Disagreement]:
    """Decisions on purchases that neither state nor results have."""
    if state.unrecorded:
        yield Disagreement("results", unrecorded_message(state.workspace, state.unrecorded))


def in_records(state: CampaignState, note: Callable[[str], object]) -> Iterator[Disagreement]:
    """Differences between the results manifest on the one hand, and manifest and state on the other.

    The results of the whole and those of all shards together are the results of a campaign that ran in shards.
    Decisions made after the results were written are not a difference: `note` gets a message about them.
    """
    # Read from disk, whatever the state knows of it.
    own = read_published(state.workspace)
    others = [*published_by_others(state.workspace)]
    files = [*([] if own is None else [own]), *others]
    name, lack = state.workspace.results_name, "does not have"
    if others:
        name, lack = "the results of the shards", "do not have"
    if not files:
        if state.records.purchases:
            yield Disagreement(
                "results", f"{name}: missing; `pipeline results {state.workspace.target}` writes it"
            )
        return
    published = frozenset[PurchaseId]().union(*(each.published for each in files))
    sound, contradictions = _without_contradictions(state, files)
    if contradictions:
        known = join_all(each.records for each in sound)
        state = state.with_records(absorb(state.alone(), known, state.decisions))
    wanted = _wanted(state, published, state.assignment, state.decisions)
    if others:
        yield from contradictions  # of a file alone, every row is compared below
    # The rows of shards may lack decisions that those of the whole have.
    if own is not None and not any(differences(own.document, wanted)):
        return
    document = _merged(sound, wanted, own) if others else files[0].document
    if not any(differences(document, wanted)):
        return
    then = _decisions_in(document, state.decisions)
    wanted_then = _wanted(state, published, assign(state.jobs, state.records, then), then)
    is_by_manifest = False
    for each in differences(document, wanted_then):
        is_by_manifest |= each.is_by_manifest
        yield Disagreement("results", each.message)
    if is_by_manifest:
        note(f"What a run would do for the changed jobs: `pipeline plan {state.workspace.target}`.")
    if state.lost_approvals:
        yield Disagreement("results", lost_message(state.workspace, state.lost_approvals))
    elif any(differences(wanted_then, wanted)):
        note(
            f"{name} {lack} the latest decisions yet: the next run writes them, "
            f"or `pipeline results {state.workspace.target}`."
        )


def _without_contradictions(
    state: CampaignState, files: Sequence[ResultsFile]
) -> tuple[list[ResultsFile], list[Disagreement]]:
    """The files without the copies of purchases that contradict the state or each other, and what those say.

    The join would keep one of two such copies, and so agree with it whichever is right.
    """
    known = {each.id: (each, "in the state") for each in state.alone().purchases.values()}
    sound, found = [], []
    for file in files:
        right = {}
        for purchase in file.records.purchases.values():
            other, where = known.setdefault(purchase.id, (purchase, f"in {file.name}"))
            if purchase != other and (what := contradiction(purchase, other, where)):
                found.append(Disagreement("results", f"{file.name}: purchase {purchase.id}: {what}"))
            else:
                right[purchase.id] = purchase
        for row in file.jobs:
            what = fields_that_differ(row, as_it_stands(row, file.records), "by its purchase")
            if what and row["purchase"] in right:
                found.append(Disagreement("results", f"{file.name}: job {row['key']}: {what}"))
        sound.append(replace(file, records=replace(file.records, purchases=right)))
    return sound, found


def _merged(
    files: Sequence[ResultsFile], wanted: Mapping[str, Any], own: ResultsFile | None
) -> dict[str, Any]:
    """The results that all files make together, with the row of a job that is as `wanted` where a file has it.

    The others are stale then: of a file written before the manifest changed. So is the row of a job that neither the
    manifest nor the results of the whole have.
    """
    document: dict[str, Any] = merge_results(files, TOOL)
    rows = {job["key"]: job for job in document["jobs"]}
    current = {job["key"]: job for job in wanted["jobs"]}
    records = join_all(each.records for each in files)
    for row in (row for file in files for row in file.jobs):
        key, stands = row["key"], as_it_stands(row, records)
        if current.get(key) == stands:
            rows[key] = stands
    if own is not None:
        kept = current.keys() | {job["key"] for job in own.jobs}
        rows = {key: row for key, row in rows.items() if key in kept}
    counts = summarize((str(row["status"]) for row in rows.values()), records.purchases.values())
    return {**document, "jobs": [*rows.values()], "summary": counts.as_json()}


def _wanted(
    state: CampaignState, published: frozenset[PurchaseId], assignment: Assignment, decisions: Decisions
) -> dict[str, Json]:
    return Builder().build(
        state.workspace.heading(),
        assignment=assignment,
        records=state.records,
        decisions=decisions,
        published=published | state.other_results.in_doubt,
    )


def _decisions_in(document: Mapping[str, Any], now: Decisions) -> Decisions:
    """The decisions in force when the results were written, as far as their rows show; `now` are those in force."""
    approved: dict[PurchaseId, JobKey] = {}
    # Rows do not show decisions on purchases that serve no job.
    rejected, redo = set(now.rejected), set(now.redo)
    for row in document["jobs"]:
        purchase = row.get("purchase")
        if purchase is None:
            # The last purchase was sent back, or does not match; either way, it does not serve.
            redo |= {row["last"]} if "last" in row else set()
            continue
        redo.discard(purchase)
        rejected.discard(purchase)
        if row.get("decision") == "approved":
            approved[purchase] = now.approved.get(purchase, row["key"])
        elif row.get("decision") == "rejected":
            rejected.add(purchase)
    return Decisions(
        approved=approved,
        rejected=frozenset(rejected),
        redo=frozenset(redo),
        # A verdict withdrawn since then has no place in the order any more: it counts as the last.
        order={**dict.fromkeys(redo, len(now.order) + 1), **now.order},
    )


def in_files(state: CampaignState) -> Iterator[Disagreement]:
    """Every file of a job that was downloaded and is missing from the output folder or altered."""
    # The times and sizes in the state are left out, so that the bytes themselves are compared.
    former = [replace(each, bytes=-1) for each in state.placed if is_outside(each.path)]
    outputs = OutputFolder(state.workspace.output, former, state.records.purchases, state.workspace.scratch)
    downloaded = [
        (job, purchase)
        for job in state.jobs
        if (purchase := state.assignment.by_key.get(job.key)) is not None
        if purchase.status is Status.DONE or purchase.is_partly_fetched
    ]
    # An object store is asked for many files in parallel: for sizes and hashes, not for their contents.
    outputs.inventory.prefetch(file.path for job, purchase in downloaded for file in fetched(purchase, job))
    for job, purchase in downloaded:
        for file in fetched(purchase, job):
            digest = outputs.index.digest(file.path)
            if digest != file.output.sha256:
                is_foreign = digest is not None and not outputs.index.is_ours(digest)
                if purchase.is_partly_fetched and not is_foreign and outputs.inventory.find(purchase, file):
                    continue  # until all are here, they may be set aside
                problem = "differs from what was downloaded"
                if digest is None:
                    problem = unencodable(file.path) or "missing"
                    if former and (other := outputs.inventory.find(purchase, file)) and is_outside(other):
                        problem = _at_former_path(state, outputs, job, purchase, other)
                elif outputs.index.is_lfs_pointer(file.path):
                    problem = LFS_POINTER
                elif outputs.index.is_ours(digest):
                    problem = "missing; another file of this campaign is in its place"
                yield Disagreement("files", f"{shown_path(state.workspace.output / file.path)}: {problem}")


def _at_former_path(
    state: CampaignState, outputs: OutputFolder, job: Job, purchase: Purchase, path: str
) -> str:
    there = shown_path(located(state.workspace.output, path))
    # A job is left alone as long as one of its files was altered.
    altered = [shown_path(state.workspace.output / each) for each in outputs.inventory.altered(purchase, job)]
    when = f": once {' and '.join(altered)} is moved away," if altered else ", and"
    return (
        f"missing; it is at {there}{when} `pipeline run {state.workspace.target}` copies it "
        "(see docs/reference/errors.md#another-output-folder)"
    )


def at_vendor(state: CampaignState, provider: Provider, calls: VendorCalls) -> Iterator[Disagreement]:
    """Every workflow whose deletion, failure or title at the vendor differs from the records. Sends only GETs.

    Raises:
        VendorError: the vendor does not answer.
        AccountError: the vendor refused the key.
        Stopped: a signal arrived.
    """
    for purchase in sorted(state.records.purchases.values(), key=lambda each: (each.key, each.age)):
        if purchase.workflow_id is None:
            continue
        message = calls(partial(_vendor_difference, provider, purchase, purchase.workflow_id))
        if message is not None:
            yield Disagreement("vendor", f"{purchase.key} ({purchase.id}): {message}")


def _vendor_difference(provider: Provider, purchase: Purchase, workflow_id: WorkflowId) -> str | None:
    """The difference between a workflow and its record; None if there is none."""
    try:
        workflow = provider.get(workflow_id)
    except NotFound:
        return None if purchase.deleted else f"the vendor no longer knows workflow {workflow_id}"
    if purchase.deleted:
        return f"workflow {workflow_id} should have been deleted, but is still there"
    if workflow.progress is Progress.FAILED and purchase.status is not Status.FAILED:
        return (
            f"workflow {workflow_id} is '{workflow.status}' at the vendor, but {purchase.status} in the state"
        )
    sent = last_sent(purchase).title
    if workflow.template_id != purchase.template_id:
        template = workflow.template_id
        return f"workflow {workflow_id} has template {template!r}, but {purchase.template_id!r} was bought"
    if workflow.title != sent:
        return f"workflow {workflow_id} has title {workflow.title!r}, but {sent!r} was sent"
    if others := others_named(workflow, purchase):
        return f"workflow {workflow_id} names purchase {others[0]} in its description"
    return None

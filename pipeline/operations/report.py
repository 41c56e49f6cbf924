"""Gathers a campaign's data for the gallery from records, manifest and disk; needs no key, network or state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import Assignment, assign
from pipeline.errors import InvalidInput
from pipeline.jobs import Job, JobKey, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.operations.caps import caps_of
from pipeline.operations.decided_rows import recorded_jobs, with_decisions, without_edited_failures
from pipeline.operations.page_commands import (
    folder_of_commands,
    page_command,
    page_flags,
    page_variables,
    results_argument,
    selection_flags,
)
from pipeline.operations.report_records import RecordsOnDisk, as_it_stands, of_results_before
from pipeline.operations.shown_paths import project_path, shown_path
from pipeline.operations.workspace import cache_folder, scratch_folder
from pipeline.paths import real_path, unencodable
from pipeline.planning.forecast import MAKING, forecast
from pipeline.planning.select import ALONE, Shared, select_keys
from pipeline.planning.selection_grammar import Candidate, exact_names
from pipeline.purchases import PENDING, Records, Status
from pipeline.report.data import GalleryRecords, files_on_page
from pipeline.report.gallery_campaign import GalleryCampaign
from pipeline.report.gallery_rows import PlannedJob
from pipeline.report.stills import MediaReader, StillCache
from pipeline.report.video_files import Foreign, foreign, located
from pipeline.results.decisions import Decision, as_json, by_purchase, in_force
from pipeline.results.decisions import read as read_decisions
from pipeline.schemes import ObjectUrl, OutputLocation
from pipeline.state.recovery import absorb
from pipeline.state.store import UNCAPPED

if TYPE_CHECKING:
    from pipeline.planning.plan import Plan

_OPEN = frozenset({PENDING, Status.FAILED})


def gallery_campaign(
    campaign: RecordsOnDisk,
    select: Sequence[str],
    exclude: Sequence[str],
    before: Path | None = None,
    sign_seconds: int | None = None,
    shared: Shared = ALONE,
    commands_in: Path | None = None,
) -> GalleryCampaign:
    """One campaign of the page: its records, its selection, and the locations of its files.

    `sign_seconds` is how long the links into an object store work; None makes none. `commands_in` is the folder for
    which commands are written, if the page has more campaigns.

    Raises:
        InvalidInput: decisions or the results to compare with are invalid.
        UsageError: an expression is invalid, or matches nothing.
    """
    decided = _decisions_in(campaign.decisions)
    decisions = in_force(decided)
    jobs = _jobs_of(campaign)
    records = absorb(Records(), campaign.records, decisions)
    results = with_decisions(as_it_stands(campaign), records, decisions, jobs)
    assignment = assign(jobs, records, decisions)
    results = without_edited_failures(results, assignment, {job.key for job in jobs})
    coming = forecast(assignment)
    planned = _planned(results, assignment, coming.run)
    known = candidates(results, planned, {job.key: job for job in jobs})
    files = _located(campaign)
    other = of_results_before(before, campaign) if before is not None else None
    if other is not None:
        files = {**_located(other), **files}
        own = {each.key for each in known}
        known += [each for each in candidates(other.results, {}, {}) if each.key not in own]
    keys = select_keys(known, select, exclude, shared) if select or exclude else None
    if keys is not None:
        # A job may ask for the same as one that is not selected, and is then the one that buys.
        coming = forecast(assignment, frozenset(keys))
        planned = _planned(results, assignment, coming.run)
    # Where a selection is complete, as for a client, the limits would say nothing.
    is_to_buy = keys is None or bool(coming.run.buying or coming.retry.buying)
    manifest = campaign.workspace.campaign if campaign.workspace else None
    caps = caps_of(manifest) if manifest and is_to_buy else UNCAPPED
    folder = commands_in or folder_of_commands([campaign.manifest])
    gallery = GalleryRecords(
        results=results,
        decisions=_document(decided),
        command=page_command(campaign.manifest, folder),
        flags=page_flags(campaign.chosen, folder, emulated=campaign.emulated),
        results_argument=results_argument(
            campaign.only_results, campaign.chosen, folder, emulated=campaign.emulated
        ),
        variables=page_variables(campaign.variables, folder),
        emulated=campaign.emulated,
        budget=caps.budget,
        budget_left=caps.budget_left(records.purchases.values()),
        budget_unpriced=0 if caps.budget is None else len(caps.unpriced(records.purchases.values())),
        max_credits=caps.max_credits,
        keys=keys,
        selection=selection_flags(select, exclude),
        planned=planned,
        prompt_options=manifest.prompt_options() if manifest else {},
        forecast=coming.as_json(caps_of(manifest), records.purchases.values()) if manifest and jobs else {},
        unseen=_unseen(results, coming.run) if jobs else 0,
        media=results.get("media", {}),
        before=other.results if other else None,
        before_name=project_path(real_path(before)) if before else "",
    )
    return _with_files(campaign, gallery, files, sign_seconds)


def _with_files(
    campaign: RecordsOnDisk,
    records: GalleryRecords,
    files: Mapping[str, OutputLocation],
    sign_seconds: int | None,
) -> GalleryCampaign:
    """The campaign of the page with those of its `files`, by SHA-256, that the page shows."""
    types = files_on_page(records)
    here = {digest: path for digest, path in files.items() if digest in types}
    stored = frozenset(digest for digest, location in here.items() if isinstance(location, ObjectUrl))
    shown = frozenset(digest for digest, kind in types.items() if kind.startswith(("video/", "image/")))
    others = _foreign(campaign, here)
    return GalleryCampaign(
        name=campaign.name,
        records=replace(records, stored=stored, altered=others.altered, pointers=frozenset(others.pointers)),
        output=campaign.output,
        page_folder=campaign.page_folder,
        cache=StillCache(cache_folder(campaign.folder)),
        files=here,
        shown=shown,
        signed=_signed(here, sign_seconds),
        expendable=frozenset(files) | _removed(campaign.records),
        unnameable=tuple(_unnameable(campaign, types.keys() - files.keys())),
        pointers=tuple(path for digest, path in others.pointers.items() if digest in types),
    )


def _unnameable(campaign: RecordsOnDisk, missing: Collection[str]) -> Iterator[str]:
    """The paths of the `missing` files that could not be looked for, as this locale cannot name them."""
    if not isinstance(campaign.output, Path):
        return
    for job in campaign.results["jobs"]:
        for file in job.get("outputs", ()):
            if file.get("sha256") in missing and unencodable(file["path"]):
                yield file["path"]


def _located(campaign: RecordsOnDisk) -> dict[str, OutputLocation]:
    purchases = campaign.records.purchases.values()
    if isinstance(campaign.output, Path):
        return dict(located(campaign.results["jobs"], purchases, campaign.folder, campaign.output))
    scratch = scratch_folder(campaign.folder, campaign.name)
    inventory = OutputFolder(campaign.output, (), campaign.records.purchases, scratch).inventory
    files = (file["path"] for job in campaign.results["jobs"] for file in job.get("outputs", ()))
    inventory.prefetch(path.removeprefix(f"{campaign.output}/") for path in files)
    found = (file for each in purchases for file in inventory.files_of(each).values())
    return {digest: location for files in found for location, digest, _ in files}


def _removed(records: Records) -> frozenset[str]:
    """The files that were removed on purpose."""
    gone = (each for each in records.purchases.values() if each.removed)
    return frozenset(
        output.sha256
        for each in gone
        for outputs in (each.outputs, *(step.outputs for step in each.steps))
        for output in outputs
        if output.sha256
    )


def _foreign(campaign: RecordsOnDisk, here: Collection[str]) -> Foreign:
    """What is in the place of files on this machine; what is in an object store is not looked at for it."""
    if not isinstance(campaign.output, Path):
        return Foreign(frozenset(), {})
    purchases = campaign.records.purchases.values()
    return foreign(campaign.results["jobs"], purchases, here, campaign.folder, campaign.output)


def _signed(files: Mapping[str, OutputLocation], seconds: int | None) -> dict[str, str]:
    """By SHA-256, a link to each file in an object store."""
    stored = {digest: location for digest, location in files.items() if isinstance(location, ObjectUrl)}
    if seconds is None or not stored:
        return {}
    # Imported here, since its client is an optional extra.
    from pipeline.artifacts.s3 import signed

    return {digest: signed(location, seconds) for digest, location in stored.items()}


def _decisions_in(path: Path) -> list[Decision]:
    """The last decision on each purchase; none if there is no file.

    Raises:
        InvalidInput: it is invalid.
    """
    return [*by_purchase(read_decisions(path, shown_path(path))).values()]


def _document(decided: Sequence[Decision]) -> Mapping[str, Any]:
    return {"version": 1, "decisions": [as_json(each) for each in decided]} if decided else {}


def _jobs_of(campaign: RecordsOnDisk) -> list[Job]:
    """The jobs of the manifest; none if it cannot be read now."""
    if campaign.workspace is None:
        return []
    try:
        return in_plan_order(expand(campaign.workspace.campaign))
    except InvalidInput:
        return []


def _planned(results: Mapping[str, Any], assignment: Assignment, plan: Plan) -> dict[str, PlannedJob]:
    """By key, the jobs of the manifest and what a run by `plan` would do with each."""
    actions = {entry.key: entry.action.value for entry in plan.entries}
    pending = {job["key"] for job in results["jobs"] if job["status"] == PENDING}
    return {
        job.key: PlannedJob(
            request=job.request_json() if job.key in pending else {},
            template_id=job.request.template_id,
            credits=job.credits,
            action=actions.get(job.key),
            upstream=job.upstream,
            needs_approval=bool(job.approved_of),
        )
        for job in assignment.jobs
    }


def _unseen(results: Mapping[str, Any], plan: Plan) -> int:
    """How many jobs a run would make that the results do not show as open: the manifest was edited since."""
    is_open = {row["key"] for row in results["jobs"] if row["status"] in _OPEN}
    return sum(entry.key not in is_open for entry in plan.of(*MAKING))


def candidates(
    results: Mapping[str, Any], planned: Mapping[str, PlannedJob], jobs: Mapping[JobKey, Job]
) -> list[Candidate]:
    """Every job of the results, with the fields that a selection may use.

    Only the `jobs` of the manifest tell what a job that is not made yet will be made from.
    """
    return [
        Candidate(
            key=job.key,
            job=jobs.get(job.key, job),
            status=row["status"],
            action=planned.get(job.key, PlannedJob()).action or "",
        )
        for job, row in zip(recorded_jobs(results), results["jobs"], strict=True)
    ]


def names_in_records(campaigns: Sequence[RecordsOnDisk], expressions: Sequence[str]) -> frozenset[str]:
    """The `exact_names` of the expressions in several campaigns."""
    if len(campaigns) == 1:
        return frozenset()
    jobs = (job for each in campaigns for job in recorded_jobs(each.results))
    return exact_names(expressions, (job.coordinates for job in jobs))


def media_reader() -> MediaReader | None:
    """The reader of media; None if the extra is not installed."""
    try:
        from pipeline.media.read import facts_of, still_of
    except ImportError:
        return None
    return MediaReader(still_of=still_of, facts_of=facts_of)

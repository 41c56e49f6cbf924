"""Gathers a campaign's data for the gallery from records, manifest and disk; needs no key, network or state."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.errors import InvalidInput
from pipeline.jobs import Coordinates, Job, JobKey, Request, UpstreamOutput, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.operations.page_commands import page_command, page_flags, selection_flags
from pipeline.operations.report_records import RecordsOnDisk, as_it_stands, of_results_before
from pipeline.operations.shown_paths import project_path, shown_path
from pipeline.operations.workspace import cache_folder, scratch_folder
from pipeline.paths import real_path, unencodable
from pipeline.planning.make import make
from pipeline.planning.plan import ALL
from pipeline.planning.select import Candidate, select_keys
from pipeline.purchases import PENDING, Records
from pipeline.report.data import GalleryRecords, files_on_page
from pipeline.report.parts import parts_of
from pipeline.report.rows import PlannedJob
from pipeline.report.stills import MediaReader, StillCache
from pipeline.report.video_files import located
from pipeline.report.writing import GalleryCampaign
from pipeline.results.decisions import Decision, Verdict, as_json, by_purchase, in_force
from pipeline.results.decisions import read as read_decisions
from pipeline.schemes import ObjectUrl, OutputLocation
from pipeline.state.transitions import absorb


def gallery_campaign(
    campaign: RecordsOnDisk,
    select: Sequence[str],
    exclude: Sequence[str],
    before: Path | None = None,
    sign_seconds: int | None = None,
) -> GalleryCampaign:
    """One campaign of the page: its records, its selection, and the locations of its files.

    `sign_seconds` is how long the links into an object store work; None makes none.

    Raises:
        InvalidInput: decisions or the results to compare with are invalid.
        UsageError: an expression is invalid, or matches nothing.
    """
    results = as_it_stands(campaign)
    decided = decisions_in(campaign.decisions)
    planned = planned_by(campaign, decided)
    known = candidates(results, planned)
    files = _located(campaign)
    other = of_results_before(before, campaign) if before is not None else None
    if other is not None:
        files = {**_located(other), **files}
        own = {each.key for each in known}
        known += [each for each in candidates(other.results, {}) if each.key not in own]
    keys = select_keys(known, select, exclude) if select or exclude else None
    limits = campaign.workspace.campaign.limits if campaign.workspace else None
    records = GalleryRecords(
        results=results,
        decisions=decided,
        command=page_command(campaign.manifest),
        flags=page_flags(campaign.manifest, campaign.chosen, emulated=campaign.emulated),
        emulated=campaign.emulated,
        budget=limits.budget if limits else None,
        max_credits=limits.max_credits if limits else None,
        keys=keys,
        selection=selection_flags(select, exclude),
        planned=planned,
        media=results.get("media", {}),
        before=other.results if other else None,
        before_name=project_path(real_path(before)) if before else "",
    )
    return _with_files(campaign, records, files, sign_seconds)


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
    return GalleryCampaign(
        name=campaign.name,
        records=replace(records, stored=stored),
        output=campaign.output,
        page_folder=campaign.page_folder,
        cache=StillCache(cache_folder(campaign.folder)),
        files=here,
        shown=shown,
        signed=_signed(here, sign_seconds),
        unnameable=tuple(_unnameable(campaign, types.keys() - files.keys())),
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


def _signed(files: Mapping[str, OutputLocation], seconds: int | None) -> dict[str, str]:
    """By SHA-256, a link to each file in an object store."""
    stored = {digest: location for digest, location in files.items() if isinstance(location, ObjectUrl)}
    if seconds is None or not stored:
        return {}
    # Imported here, since its client is an optional extra.
    from pipeline.artifacts.s3 import signed

    return {digest: signed(location, seconds) for digest, location in stored.items()}


def decisions_in(path: Path) -> Mapping[str, Any]:
    """The decisions file as a document; empty if there is none.

    Raises:
        InvalidInput: it is invalid.
    """
    decided = by_purchase(read_decisions(path, shown_path(path)))
    return {"version": 1, "decisions": [as_json(each) for each in decided.values()]} if decided else {}


def planned_by(campaign: RecordsOnDisk, decided: Mapping[str, Any]) -> dict[str, PlannedJob]:
    """By key, the jobs of the manifest and what a run would do with each; empty if it cannot be read now."""
    if campaign.workspace is None:
        return {}
    try:
        jobs = in_plan_order(expand(campaign.workspace.campaign))
    except InvalidInput:
        return {}
    decisions = in_force(
        Decision(purchase=each["purchase"], key=each["key"], decision=Verdict(each["decision"]))
        for each in decided.get("decisions", ())
        if "decision" in each
    )
    assignment = assign(jobs, absorb(Records(), campaign.records, decisions), decisions)
    actions = {entry.key: entry.action.value for entry in make(assignment, {}, ALL).entries}
    pending = {job["key"] for job in campaign.results["jobs"] if job["status"] == PENDING}
    return {
        job.key: PlannedJob(
            request=job.request_json() if job.key in pending else {},
            credits=job.credits,
            action=actions.get(job.key),
            upstream=job.upstream,
        )
        for job in jobs
    }


def candidates(results: Mapping[str, Any], planned: Mapping[str, PlannedJob]) -> list[Candidate]:
    """Every job of the results, with the fields that a selection may use."""
    purchases = {each["id"]: each for each in results["purchases"]}
    return [
        Candidate(
            key=JobKey(row["key"]),
            job=_job(row, purchases),
            status=row["status"],
            action=planned.get(row["key"], PlannedJob()).action or "",
        )
        for row in results["jobs"]
    ]


def _job(row: Mapping[str, Any], purchases: Mapping[str, Mapping[str, Any]]) -> Job:
    """The job in a row of the results, with the fields that a selection may use."""
    purchase = purchases.get(row.get("purchase") or row.get("last") or "")
    parts: Mapping[str, Any] = parts_of(row, purchase)
    inputs = purchase.get("inputs", ()) if purchase else ()
    made_from = next((purchases[each]["key"] for each in inputs if each in purchases), None)
    images = (UpstreamOutput(job=JobKey(made_from)),) if made_from else ()
    return Job(
        coordinates=Coordinates(
            rule=parts.get("rule", ""),
            template=parts.get("template", ""),
            image=parts.get("image"),
            prompt=parts.get("prompt"),
            axes=tuple(parts.get("axes", {}).items()),
            take=parts.get("take", 1),
        ),
        request=Request(provider="", template_id="", images=images),
        path="",
    )


def media_reader() -> MediaReader | None:
    """The reader of media; None if the extra is not installed."""
    try:
        from pipeline.media.read import facts_of, still_of
    except ImportError:
        return None
    return MediaReader(still_of=still_of, facts_of=facts_of)

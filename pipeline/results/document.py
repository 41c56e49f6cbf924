"""The results manifest: the same bytes for the same outcome, and nothing that changes by itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.artifacts.file_names import named
from pipeline.assignment import Assignment
from pipeline.jobs import Job, JobKey, Json
from pipeline.media.facts import MediaMap
from pipeline.media.facts import join as join_media
from pipeline.planning.shards import Shard
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Status, as_json
from pipeline.results.standing import Standing, standings
from pipeline.results.summary import summarize

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Whose results these are. `manifest` is relative to the results file, `output` to the manifest.

    `shard` is the part of the campaign that they tell of, None where that is all.
    """

    campaign: str
    manifest: str
    output: str
    tool: str
    shard: Shard | None = None


def build(
    heading: Heading,
    *,
    assignment: Assignment,
    records: Records,
    decisions: Decisions,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
    published: Collection[PurchaseId] = (),
    media: MediaMap = MappingProxyType({}),
) -> dict[str, Json]:
    """The whole results manifest. `inputs` tells, by key, whose inputs failed in the run that just ended.

    `published` are the purchases that stood in the last one as `submitting`: if they turned out void, who
    read that must learn of it. `media` is what files hold, by SHA-256.
    """
    jobs = sorted(assignment.jobs, key=lambda job: job.key)
    shown = [
        purchase
        for purchase in sorted(records.purchases.values(), key=lambda each: (each.key, each.age))
        if purchase.status is not Status.VOID or purchase.id in published
    ]
    stands = standings(assignment, inputs)
    return {
        "version": VERSION,
        "campaign": heading.campaign,
        "manifest": heading.manifest,
        "tool": heading.tool,
        **({} if heading.shard is None else {"shard": heading.shard.as_json()}),
        "jobs": [job_json(job, stands[job.key], assignment, decisions, heading.output) for job in jobs],
        "purchases": [as_json(purchase) for purchase in shown],
        "summary": summarize((each.status for each in stands.values()), records.purchases.values()).as_json(),
        **media_json(media),
    }


def media_json(media: MediaMap) -> dict[str, Json]:
    """The part of a results manifest that tells what files hold; nothing where nothing is known."""
    return (
        {"media": {digest: dict(entry) for digest, entry in join_media(media, {}).items()}} if media else {}
    )


def job_json(
    job: Job, stand: Standing, assignment: Assignment, decisions: Decisions, output: str
) -> dict[str, Json]:
    """The row of one job. `output` is the output folder relative to the manifest."""
    purchase = stand.purchase
    last = assignment.matcher.last(job.key) if purchase is None else None
    written: dict[str, Json] = {
        "key": job.key,
        "fingerprint": job.fingerprint,
        "status": stand.status,
        "reason": stand.reason,
        "purchase": purchase.id if purchase else None,
        "last": last.id if last else None,
        "workflow_id": purchase.workflow_id if purchase else None,
        "outputs": _outputs(job, purchase, output) or None if purchase else None,
        "decision": _decision(purchase, decisions) if purchase else None,
    }
    return {name: value for name, value in written.items() if value is not None}


def _outputs(job: Job, purchase: Purchase, output: str) -> list[Json]:
    files: list[Json] = []
    for file in named(purchase, job.path, job.steps):
        if file.output.sha256 is None:
            continue
        files.append(
            {
                "path": f"{output}/{file.path}",
                "content_type": file.output.content_type,
                "sha256": file.output.sha256,
                "bytes": file.output.bytes,
            }
        )
    return files


def _decision(purchase: Purchase, decisions: Decisions) -> str | None:
    if purchase.id in decisions.approved:
        return "approved"
    if purchase.id in decisions.rejected:
        return "rejected"
    return "redo" if purchase.id in decisions.redo else None

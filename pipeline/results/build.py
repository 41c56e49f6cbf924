"""The results manifest: the same bytes for the same outcome, and nothing that changes by itself."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipeline.artifacts.file_names import named
from pipeline.assignment import Assignment
from pipeline.jobs import Job, Json
from pipeline.purchases import Decisions, Purchase, Reason, Records, Status, as_json

VERSION = 1
PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose results these are. `manifest` is relative to the results file, `output` to the manifest."""

    campaign: str
    manifest: str
    output: str
    tool: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How one job stands: the status of what serves it, or `pending`; only a run tells of failed inputs."""

    status: str
    reason: str | None
    purchase: Purchase | None


def standing(
    job: Job, assignment: Assignment, inputs: Mapping[str, str], blocked: Collection[str] = ()
) -> Standing:
    """How `job` stands. `inputs` and `blocked` are what the run that just ended knows of it."""
    purchase = assignment.by_key.get(job.key)
    if purchase is None:
        failed = job.key in inputs
        return Standing(
            Status.FAILED.value if failed else PENDING, Reason.INPUT.value if failed else None, None
        )
    if purchase.status is Status.DONE and job.key in blocked:
        # Its files are here, but not where the manifest wants them.
        return Standing(Status.SUCCEEDED.value, None, purchase)
    return Standing(purchase.status.value, purchase.reason.value if purchase.reason else None, purchase)


def build(
    heading: Heading,
    assignment: Assignment,
    records: Records,
    decisions: Decisions,
    inputs: Mapping[str, str],
    published: Collection[str] = (),
) -> dict[str, Json]:
    """The whole results manifest.

    `published` are the purchases that stood in the last one as `submitting`: if they turned out void, who
    read that must learn of it.
    """
    jobs = sorted(assignment.jobs, key=lambda job: job.key)
    shown = [
        purchase
        for purchase in sorted(records.purchases.values(), key=lambda each: (each.key, each.age))
        if purchase.status is not Status.VOID or purchase.id in published
    ]
    standings = {job.key: standing(job, assignment, inputs) for job in jobs}
    counts = Counter(each.status for each in standings.values())
    return {
        "version": VERSION,
        "campaign": heading.campaign,
        "manifest": heading.manifest,
        "tool": heading.tool,
        "jobs": [_job_json(job, standings[job.key], assignment, decisions, heading.output) for job in jobs],
        "purchases": [as_json(purchase) for purchase in shown],
        "summary": {
            "jobs": {status: counts[status] for status in sorted(counts)},
            "credits": sum(purchase.cost for purchase in records.purchases.values()),
        },
    }


def _job_json(
    job: Job, stands: Standing, assignment: Assignment, decisions: Decisions, output: str
) -> dict[str, Json]:
    purchase = stands.purchase
    last = assignment.matcher.last(job.key) if purchase is None else None
    written: dict[str, Json] = {
        "key": job.key,
        "fingerprint": job.fingerprint,
        "status": stands.status,
        "reason": stands.reason,
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

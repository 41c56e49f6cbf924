"""The results manifest: the same content for the same outcome, and the differences between two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.artifacts.file_names import named
from pipeline.json_values import Json, canonical_json
from pipeline.media.facts import MediaMap
from pipeline.media.facts import join as join_media
from pipeline.purchases import (
    Decisions,
    Purchase,
    PurchaseId,
    Records,
    Served,
    Status,
    all_served_next,
    as_json,
    served_next,
)
from pipeline.records import SHA256
from pipeline.results.job_status import JobStatus, job_statuses, summarize
from pipeline.results.served import served_in, untold_json

if TYPE_CHECKING:
    from pipeline.assignment import Assignment, Matcher
    from pipeline.jobs import Coordinates, Job, JobKey
    from pipeline.planning.shards import Shard

_SHOWN = 100

# The fields of a purchase that no event changes once they are known, and those that are final when it is done.
_SETTLED = ("key", "fingerprint", "inputs", "bought_at", "template_id", "workflow_id", "path")
_SETTLED_WHEN_DONE = ("credits", "created_at")

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Whose results these are. `manifest` is relative to the results file, `output` to the manifest.

    `shard` is the part of the campaign that they cover; None if they cover all of it. `emulated`: a rehearsal writes
    them, and nothing in them was bought.
    """

    campaign: str
    manifest: str
    output: str
    tool: str
    shard: Shard | None = None
    emulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """A row of the results that is not as it would be written now. `is_by_manifest`: what is asked for changed."""

    message: str
    is_by_manifest: bool = False


class Builder:
    """Builds results manifests, one after another: an unchanged row stays the same object, for `Texts` to reuse."""

    def __init__(self) -> None:
        self._jobs: dict[JobKey, tuple[_JobFields, dict[str, Json]]] = {}
        self._purchases: dict[PurchaseId, tuple[Purchase, dict[str, Json]]] = {}
        self._media: dict[str, Json] = {}

    def build(
        self,
        heading: Heading,
        *,
        assignment: Assignment,
        records: Records,
        decisions: Decisions,
        inputs: Mapping[JobKey, str] = MappingProxyType({}),
        published: Collection[PurchaseId] = (),
        media: MediaMap = MappingProxyType({}),
    ) -> dict[str, Json]:
        """Build a results manifest. `inputs` has, by key, why a job's inputs failed in the run that just ended.

        `published` are the purchases that any results of the campaign listed as possibly bought: they stay even if
        they turned out void, so that their readers learn of it. `media` has the facts of files, by SHA-256.
        """
        jobs = sorted(assignment.jobs, key=lambda job: job.key)
        statuses = job_statuses(assignment, inputs)
        rows = [
            self._job_row(_job_fields(job, statuses[job.key], assignment, decisions, heading.output))
            for job in jobs
        ]
        # Of a job for which nothing is recorded, its row has what was bought for it last.
        served = served_in(jobs=rows, untold=(), purchases=records.purchases) | _served(assignment, records)
        untold = untold_json(served, rows, records.purchases)
        # What a void one replaced is known by it alone.
        kept = {*published, *(each.purchase for each in records.served.values())}
        kept |= {replaced for each in records.purchases.values() for replaced in each.replaces}
        shown = [
            purchase
            for purchase in sorted(records.purchases.values(), key=lambda each: (each.key, each.age))
            if purchase.status is not Status.VOID or purchase.id in kept
        ]
        summary = summarize((each.status for each in statuses.values()), records.purchases.values())
        return {
            "version": VERSION,
            "campaign": heading.campaign,
            "manifest": heading.manifest,
            "tool": heading.tool,
            **({"emulated": True} if heading.emulated else {}),
            **({} if heading.shard is None else {"shard": heading.shard.as_json()}),
            "jobs": [*rows],
            **({"served": untold} if untold else {}),
            "purchases": [self._purchase_row(purchase) for purchase in shown],
            "summary": summary.as_json(),
            **self._media_rows(media),
        }

    def _job_row(self, fields: _JobFields) -> dict[str, Json]:
        known = self._jobs.get(fields.job.key)
        if known is None or known[0] != fields:
            known = self._jobs[fields.job.key] = (fields, _job_json(fields))
        return known[1]

    def _purchase_row(self, purchase: Purchase) -> dict[str, Json]:
        known = self._purchases.get(purchase.id)
        if known is None or known[0] is not purchase:
            known = self._purchases[purchase.id] = (purchase, as_json(purchase))
        return known[1]

    def _media_rows(self, media: MediaMap) -> dict[str, Json]:
        rows = media_json(media)
        for digest, entry in rows.items():
            if self._media.get(digest) == entry:
                rows[digest] = self._media[digest]
        self._media = rows
        return {"media": rows} if rows else {}


def media_json(media: MediaMap) -> dict[str, Json]:
    """The media facts of a results manifest, without those that no reader of it would accept."""
    return {
        digest: dict(entry) for digest, entry in join_media(media, {}).items() if SHA256.fullmatch(digest)
    }


class _JobFields(NamedTuple):
    """Everything from which the row of a job is made."""

    job: Job
    status: str
    reason: str | None
    purchase: Purchase | None
    last: Purchase | None
    serial: int
    decision: str | None
    output: str


def _job_fields(
    job: Job, job_status: JobStatus, assignment: Assignment, decisions: Decisions, output: str
) -> _JobFields:
    purchase = job_status.purchase
    last = assignment.matcher.last(job.key) if purchase is None else None
    served = assignment.matcher.records.served.get(job.key)
    return _JobFields(
        job=job,
        status=job_status.status,
        reason=job_status.reason,
        purchase=purchase,
        last=last,
        serial=_serial(served, purchase),
        decision=_decision(purchase, decisions) if purchase is not None else None,
        output=output,
    )


def _serial(served: Served | None, purchase: Purchase | None) -> int:
    if purchase is not None:
        return served_next(served, purchase.id).serial
    return 1 if served is None else served.serial


def _served(assignment: Assignment, records: Records) -> dict[JobKey, Served]:
    """What served each key last once this assignment is recorded.

    Of jobs of other shards, which have rows in other files, only what their purchases do not tell: an edit may have
    moved a job to a shard that has not run yet.
    """
    matcher, own = assignment.matcher, {job.key for job in assignment.jobs}
    now = {key: each.id for key, each in assignment.by_key.items() if each.status is not Status.SUBMITTING}
    served = all_served_next(records.served, now)
    return {
        key: each
        for key, each in served.items()
        if key in own or key not in matcher.jobs or each != _told_by_purchases(key, matcher)
    }


def _told_by_purchases(key: JobKey, matcher: Matcher) -> Served | None:
    newest = max(matcher.bought_for(key), key=lambda each: each.age, default=None)
    return None if newest is None else Served(purchase=newest.id)


def job_json(
    job: Job, job_status: JobStatus, assignment: Assignment, decisions: Decisions, output: str
) -> dict[str, Json]:
    """The row of one job. `output` is the output folder relative to the manifest."""
    return _job_json(_job_fields(job, job_status, assignment, decisions, output))


def _job_json(fields: _JobFields) -> dict[str, Json]:
    job, purchase = fields.job, fields.purchase
    written: dict[str, Json] = {
        "key": job.key,
        **_parts(job.coordinates),
        "fingerprint": job.fingerprint,
        "status": fields.status,
        "reason": fields.reason,
        "purchase": purchase.id if purchase else None,
        "last": fields.last.id if fields.last else None,
        "serial": fields.serial if fields.serial > 1 else None,
        "workflow_id": purchase.workflow_id if purchase else None,
        "outputs": _outputs(job, purchase, fields.output) or None if purchase else None,
        "decision": fields.decision,
    }
    return {name: value for name, value in written.items() if value is not None}


def _parts(coordinates: Coordinates) -> dict[str, Json]:
    """The parts of a key, so that no script has to parse it."""
    return {
        "rule": coordinates.rule,
        "template": coordinates.template,
        "image": coordinates.image,
        "prompt": coordinates.prompt,
        "axes": dict(sorted(coordinates.axes)) or None,
        "take": coordinates.take if coordinates.take > 1 else None,
    }


def _outputs(job: Job, purchase: Purchase, output: str) -> list[Json]:
    if purchase.is_partly_fetched:
        return []  # until all are here, files of an earlier take may be in their place
    files: list[Json] = []
    for file in named(purchase, job.path, job.steps):
        if file.output.sha256 is None:
            continue
        written: dict[str, Json] = {
            "path": f"{output}/{file.path}",
            "content_type": file.output.content_type,
            "sha256": file.output.sha256,
            "bytes": file.output.bytes,
        }
        files.append({name: value for name, value in written.items() if value is not None})
    return files


def _decision(purchase: Purchase, decisions: Decisions) -> str | None:
    if purchase.id in decisions.approved:
        return "approved"
    if purchase.id in decisions.rejected:
        return "rejected"
    return "redo" if purchase.id in decisions.redo else None


def differences(written: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Discrepancy]:
    """Every difference between the results manifest as written and as it would be written now, one a row."""
    jobs = list(_rows("job", "key", written["jobs"], wanted["jobs"]))
    yield from jobs
    yield from _rows("purchase", "id", written["purchases"], wanted["purchases"])
    for field in ("campaign", "manifest"):
        if fields := fields_that_differ(
            {field: written[field]}, {field: wanted[field]}, "by state and manifest"
        ):
            yield Discrepancy(message=fields)
    # If rows of jobs differ, that is reported already, and explains a different count of jobs.
    left_out = {"jobs"} if jobs else set[str]()
    counts = [
        {name: value for name, value in row["summary"].items() if name not in left_out}
        for row in (written, wanted)
    ]
    if fields := fields_that_differ(_flat(counts[0]), _flat(counts[1]), "by state and manifest"):
        yield Discrepancy(message=f"summary: {fields}")


def contradiction(written: Purchase, known: Purchase, where: str) -> str:
    """What two copies of a purchase cannot both say, though one may be older; in one line, empty if nothing.

    `where` says in words where `known` is from.
    """
    both_done = written.status is known.status is Status.DONE
    names = (*_SETTLED, *(_SETTLED_WHEN_DONE if both_done else ()))
    rows: list[dict[str, Any]] = [as_json(each) for each in (written, known)]
    old, new = ({name: row[name] for name in names if all(name in each for each in rows)} for row in rows)
    if both_done:
        # The vendor promises neither their order nor that their urls stay.
        for row, purchase in ((old, written), (new, known)):
            row["outputs"] = sorted(output.sha256 or "" for output in purchase.outputs)
    return fields_that_differ(old, new, where)


def _rows(
    kind: str, name: str, written: list[Mapping[str, Any]], wanted: list[Mapping[str, Any]]
) -> Iterator[Discrepancy]:
    written_rows = {row[name]: row for row in written}
    wanted_rows = {row[name]: row for row in wanted}
    for row_name in sorted({*written_rows, *wanted_rows}):
        old, new = written_rows.get(row_name), wanted_rows.get(row_name)
        if old is None:
            yield Discrepancy(message=f"{kind} {row_name}: not in the results")
        elif new is None:
            yield Discrepancy(message=f"{kind} {row_name}: only in the results")
        elif kind == "job" and old["fingerprint"] != new["fingerprint"]:
            # What serves it follows from what it asks for, so nothing else needs to be said.
            yield Discrepancy(
                message=f"{kind} {row_name}: changed in the manifest since the results were written",
                is_by_manifest=True,
            )
        elif fields := fields_that_differ(old, new, "in the state"):
            yield Discrepancy(message=f"{kind} {row_name}: {fields}")


def fields_that_differ(written: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> str:
    """What differs in a row, in one line; empty if nothing does. Lists and mappings are named, not shown.

    `where` says in words where `wanted` is from.
    """
    found = []
    for field in sorted({*written, *wanted}):
        old, new = written.get(field), wanted.get(field)
        if old == new:
            continue
        if isinstance(old, list | dict) or isinstance(new, list | dict):
            found.append(f"{field} in the results is not as it is {where}")
        else:
            found.append(f"{field} is {_short(old)} in the results, {_short(new)} {where}")
    return "; ".join(found)


def _flat(summary: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in summary.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _short(value: object) -> str:
    text = "missing" if value is None else canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

"""Joins results manifests without their manifest: purchases by their join, jobs by what last served them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from pipeline.errors import InvalidInput
from pipeline.join import join_all
from pipeline.json_values import Json, canonical_json
from pipeline.media.facts import join as join_media
from pipeline.purchases import PENDING, PurchaseId, Records, Status, as_json
from pipeline.results.document import VERSION, media_json
from pipeline.results.job_status import summarize
from pipeline.results.served import named_in, serial_in, untold_json

if TYPE_CHECKING:
    from pipeline.planning.shards import Shard
    from pipeline.results.file import ResultsFile

# The fields of a job's row that describe the purchase that serves it.
_OF_THE_PURCHASE = {"reason", "purchase", "workflow_id", "outputs", "decision"}


def merge_results(files: Sequence[ResultsFile], tool: str, shard: Shard | None = None) -> dict[str, Json]:
    """The results manifest that joins all of `files`, the same for any order of them.

    `shard` is the part of the campaign that all of them cover; None if together they cover the whole. A job is in the
    result if any of the files has it; the next command that reads the manifest corrects the jobs.

    Raises:
        InvalidInput: they are of different campaigns, or only some of them are of a rehearsal.
    """
    names = sorted({file.campaign for file in files})
    if len(names) > 1:
        raise InvalidInput(
            f"results of different campaigns cannot be joined: {', '.join(names)}. If one is the earlier name of the "
            'other, change "campaign" in its results to the new name first '
            "(see docs/how-to/merge.md#after-a-conflict)"
        )
    if len({file.emulated for file in files}) > 1:
        rehearsed = next(file.name for file in files if file.emulated)
        raise InvalidInput(f"{rehearsed}: the results of a rehearsal cannot be joined with others")
    records = join_all(file.records for file in files)
    jobs = _jobs(files, records)
    untold = untold_json(records.served, jobs, records.purchases)
    media = media_json(reduce(join_media, (file.media for file in files), {}))
    purchases = sorted(records.purchases.values(), key=lambda each: (each.key, each.age))
    return {
        "version": VERSION,
        "campaign": names[0],
        "manifest": min(file.manifest for file in files),
        "tool": tool,
        **({"emulated": True} if files[0].emulated else {}),
        **({} if shard is None else {"shard": shard.as_json()}),
        "jobs": list(jobs),
        **({"served": untold} if untold else {}),
        "purchases": [as_json(purchase) for purchase in purchases],
        "summary": summarize((str(job["status"]) for job in jobs), purchases).as_json(),
        **({"media": media} if media else {}),
    }


def _jobs(files: Sequence[ResultsFile], records: Records) -> list[dict[str, Any]]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for file in files:
        for job in file.jobs:
            rows.setdefault(job["key"], []).append(job)
    return [_job(rows[key], records) for key in sorted(rows)]


def _job(rows: Sequence[Mapping[str, Any]], records: Records) -> dict[str, Any]:
    """The row of a job that was written last, with the current status of the purchase that it names.

    That is the one with the greatest serial; of several, the one that names the newest purchase.

    An intent counts, though it may still turn out to be void: if an older row replaced its row, a file with its
    outcome would find it only if merged first. Of equal rows, one with outputs was written last.
    """
    current = [as_it_stands(row, records) for row in rows]
    return max(
        current,
        key=lambda row: (
            serial_in(row),
            _age(named_in(row), records),
            len(row.get("outputs", ())),
            canonical_json(row),
        ),
    )


def _age(purchase_id: PurchaseId | None, records: Records) -> tuple[str, str]:
    named = None if purchase_id is None else records.purchases.get(purchase_id)
    return ("", "") if named is None else named.age


def as_it_stands(row: Mapping[str, Any], records: Records) -> dict[str, Any]:
    """The row of a job with what `records` know of the purchase that it names."""
    purchase = records.purchases.get(row.get("purchase", ""))
    if purchase is None:
        return {**row}
    kept = {name: value for name, value in row.items() if name not in _OF_THE_PURCHASE}
    if purchase.status is Status.VOID:
        # It bought nothing after all, which this row could not know: no purchase serves the job.
        return {**kept, "status": PENDING, "last": purchase.id}
    served = {name: row[name] for name in ("outputs", "decision") if name in row}
    reason = {"reason": purchase.reason.value} if purchase.reason else {}
    workflow = {"workflow_id": purchase.workflow_id} if purchase.workflow_id else {}
    return {
        **kept,
        "status": purchase.status.value,
        **reason,
        "purchase": purchase.id,
        **workflow,
        **served,
    }

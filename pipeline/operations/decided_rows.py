"""The rows of the results as the decisions made since they were written leave them.

The results and the decisions are enough: the jobs are those of the results, whatever the manifest asks for now.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.assignment import Assignment, assign
from pipeline.jobs import Coordinates, Job, JobKey, Request, UpstreamOutput
from pipeline.purchases import PENDING, UNDECIDED, Decisions, Purchase, Records, Status
from pipeline.report.parts import parts_of

Row = Mapping[str, Any]

# The fields of a row that depend on which purchase serves the job.
_OF_THE_PURCHASE = {"status", "reason", "purchase", "last", "workflow_id", "outputs", "decision"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecordedJob(Job):
    """A job as the results know it: of its request only the fingerprint, and the job that it is made from."""

    recorded_key: JobKey
    recorded_fingerprint: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", self.recorded_fingerprint)

    @property
    def key(self) -> JobKey:
        """The key in the results."""
        return self.recorded_key

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprint in the results."""
        return (self.recorded_fingerprint,)


def recorded_job(
    row: Row, purchase: Row | None, made_from: JobKey | None, takes: Mapping[str, Sequence[JobKey]]
) -> RecordedJob:
    """The job in a row of the results, with the row of the purchase that serves it or served it last.

    `takes` has, by key without the take, the takes of each job.
    """
    parts: Row = parts_of(row, purchase)
    images: tuple[UpstreamOutput, ...] = ()
    if made_from:
        approved_of = tuple(takes[_without_take(made_from)]) if _needs_approval(purchase) else ()
        images = (UpstreamOutput(job=made_from, takes=approved_of),)
    return RecordedJob(
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
        recorded_key=JobKey(row["key"]),
        recorded_fingerprint=row["fingerprint"],
    )


def recorded_jobs(results: Row) -> list[RecordedJob]:
    """The job in each row of the results."""
    purchases = {each["id"]: each for each in results["purchases"]}
    served = {row["purchase"]: JobKey(row["key"]) for row in results["jobs"] if "purchase" in row}
    takes = _takes(results)
    found = []
    for row in results["jobs"]:
        purchase = purchases.get(row.get("purchase") or row.get("last") or "")
        found.append(recorded_job(row, purchase, _made_from(purchase, purchases, served), takes))
    return found


def with_decisions(
    results: Row, records: Records, decisions: Decisions, jobs: Iterable[Job] = ()
) -> Mapping[str, Any]:
    """`results`, in which `decisions` say which purchase serves each job.

    `jobs` are those of the manifest, if it can be read; they count where they ask for what the results do.
    """
    if decisions == UNDECIDED:
        return results
    assignment = assign([*_jobs(results, {job.key: job for job in jobs})], records, decisions)
    rows = []
    for row in results["jobs"]:
        serves = assignment.by_key.get(row["key"])
        is_same = (serves.id if serves is not None else None) == row.get("purchase")
        rows.append(row if is_same else _row(row, serves, assignment.matcher.last(row["key"])))
    return {**results, "jobs": rows}


def without_edited_failures(
    results: Row, assignment: Assignment, keys: Collection[JobKey]
) -> Mapping[str, Any]:
    """`results`, in which a job does not count as failed if the manifest asks for something else since: it is new.

    `assignment` is of the manifest's jobs, which have these `keys`.
    """
    rows = []
    for row in results["jobs"]:
        serves = assignment.by_key.get(row["key"])
        is_edited = row["status"] == Status.FAILED and row["key"] in keys
        if is_edited and (serves.id if serves is not None else None) != row.get("purchase"):
            rows.append(_row(row, serves, assignment.matcher.last(row["key"])))
        else:
            rows.append(row)
    return {**results, "jobs": rows}


def _jobs(results: Row, known: Mapping[JobKey, Job]) -> Iterator[Job]:
    """The jobs of the rows, and those that they may be made from."""
    keys = set()
    for recorded in recorded_jobs(results):
        job = known.get(recorded.key)
        keys.add(recorded.key)
        yield recorded if job is None or job.fingerprint != recorded.fingerprint else job
    # The results of a shard, or from before a rename, may lack rows of upstreams.
    further: dict[JobKey, Job] = {**known}
    purchases = {each["id"]: each for each in results["purchases"]}
    inputs = {each for purchase in purchases.values() for each in purchase.get("inputs", ())}
    takes = _takes(results)
    for purchase in (purchases[each] for each in sorted(inputs & purchases.keys())):
        made_from = _made_from(purchase, purchases, {})
        further[JobKey(purchase["key"])] = recorded_job(purchase, purchase, made_from, takes)
    yield from (job for key, job in further.items() if key not in keys)


def _takes(results: Row) -> Mapping[str, Sequence[JobKey]]:
    """By key without the take, the takes of each job that the results name."""
    found: dict[str, list[JobKey]] = {}
    for key in dict.fromkeys(JobKey(row["key"]) for row in (*results["jobs"], *results["purchases"])):
        found.setdefault(_without_take(key), []).append(key)
    return found


def _without_take(key: JobKey) -> str:
    return key.partition("#")[0]


def _needs_approval(purchase: Row | None) -> bool:
    """Whether a purchase was made from an approved take only, so that it fits no longer without the approval."""
    images = (purchase or {}).get("request", {}).get("images", ())
    return any(image.get("only") == "approved" for image in images)


def _made_from(
    purchase: Row | None, purchases: Mapping[str, Row], served: Mapping[str, JobKey]
) -> JobKey | None:
    """The key of the job from whose purchase this one was made; `served` has keys by purchase."""
    inputs = purchase.get("inputs", ()) if purchase is not None else ()
    return next((served.get(each, purchases[each]["key"]) for each in inputs if each in purchases), None)


def _row(row: Row, serves: Purchase | None, last: Purchase | None) -> Row:
    kept = {name: value for name, value in row.items() if name not in _OF_THE_PURCHASE}
    if serves is None:
        return {**kept, "status": PENDING, **({"last": last.id} if last is not None else {})}
    written = {
        "status": serves.status.value,
        "reason": serves.reason.value if serves.reason is not None else None,
        "purchase": serves.id,
        "workflow_id": serves.workflow_id,
    }
    return {**kept, **{name: value for name, value in written.items() if value is not None}}

"""Everything known about one job or one purchase, for `pipeline show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import located, named
from pipeline.operations.campaign_state import CampaignState, files_here
from pipeline.operations.plan import plan_of
from pipeline.operations.status import why_left
from pipeline.purchases import Status
from pipeline.succession import Succession

if TYPE_CHECKING:
    from pipeline.jobs import Job, JobKey
    from pipeline.planning.plan import Entry
    from pipeline.purchases import Purchase
    from pipeline.results.decisions import Decision
    from pipeline.schemes import OutputLocation
    from pipeline.state.store import LoggedEvent


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of a purchase: the path where it is or where a job wants it, and whether it is there and intact.

    `is_altered`: there is a file in its place whose bytes are of no purchase; `is_pointer`: one of Git LFS.
    """

    path: OutputLocation
    is_here: bool
    is_altered: bool = False
    is_pointer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseDetails:
    """A purchase, the keys of the jobs that it serves, its files, and its history, oldest first.

    `decision` is the last one on it.
    """

    purchase: Purchase
    serves: Sequence[JobKey]
    decision: Decision | None
    files: Sequence[KnownFile]
    events: Sequence[LoggedEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """A job, what a run would do for it, and its purchases, the current one first, the others from old to new.

    They are those bought for it, those that served it, and the earlier ones of the request that serves it, which jobs
    that share it may have bought. `unbought` says why the last run on this machine left it to the next one.
    """

    job: Job
    entry: Entry | None
    purchases: Sequence[PurchaseDetails]
    unbought: str | None = None


def job_details(state: CampaignState, job: Job) -> JobDetails:
    """Everything known about `job`."""
    serving = state.assignment.by_key.get(job.key)
    # The last one may have been bought for another job, and have served this one too before it was sent back.
    matcher = state.assignment.matcher
    succession = Succession(matcher)
    last = {each.id for each in (matcher.last(job.key), *succession.last_good(job.key)) if each is not None}
    last |= succession.all_before(job.key)
    others = sorted(
        (
            each
            for each in state.records.purchases.values()
            if each.key == job.key or each.id in last or (serving is not None and _is_before(each, serving))
        ),
        key=lambda each: each.age,
    )
    listed = {each.id: each for each in ([serving] if serving else []) + others}
    return JobDetails(
        job=job,
        entry=plan_of(state).entry(job.key),
        purchases=_details(state, list(listed.values())),
        unbought=why_left(state, [] if serving else [job.key]).get(job.key),
    )


def _is_before(purchase: Purchase, other: Purchase) -> bool:
    """Whether a purchase is an older one of the same request, whichever job it was bought for."""
    same = (purchase.fingerprint, purchase.inputs) == (other.fingerprint, other.inputs)
    return same and purchase.age < other.age and purchase.status is not Status.VOID


def purchase_details(state: CampaignState, purchase: Purchase) -> PurchaseDetails:
    """Everything known about `purchase`."""
    (details,) = _details(state, [purchase])
    return details


def _details(state: CampaignState, purchases: Sequence[Purchase]) -> list[PurchaseDetails]:
    histories = state.histories([each.id for each in purchases])
    return [
        PurchaseDetails(
            purchase=purchase,
            serves=[key for key, each in state.assignment.by_key.items() if each.id == purchase.id],
            decision=state.decided.get(purchase.id),
            files=list(_files(state, purchase)),
            events=histories[purchase.id],
        )
        for purchase in purchases
    ]


def _files(state: CampaignState, purchase: Purchase) -> Iterator[KnownFile]:
    outputs, serves_any = state.outputs(), False
    for job in state.jobs:
        serving = state.assignment.by_key.get(job.key)
        if serving is None or serving.id != purchase.id:
            continue
        serves_any = True
        for file in named(purchase, job.path, job.steps):
            wanted, found = file.output.sha256, outputs.index.digest(file.path)
            is_here = wanted is not None and found == wanted
            is_altered = wanted is not None and found is not None and not outputs.index.is_ours(found)
            # It may still be set aside, or at the path of another job.
            other = None if is_here or is_altered else outputs.inventory.find(purchase, file)
            path = other or file.path
            is_pointer = is_altered and outputs.index.is_lfs_pointer(file.path)
            yield KnownFile(
                located(state.workspace.output, path), is_here or other is not None, is_altered, is_pointer
            )
    if not serves_any:
        yield from (KnownFile(path, is_here=True) for path in files_here(outputs, purchase))

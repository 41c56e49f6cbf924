"""Whether a run buys by itself again what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline.purchases import Purchase, PurchaseId, Reason

if TYPE_CHECKING:
    from pipeline.jobs import Job

FailureCounts = Mapping[tuple[str, tuple[PurchaseId, ...]], int]


def count_failures(purchases: Iterable[Purchase]) -> FailureCounts:
    """The number of failures of each request, over all runs."""
    return Counter((each.fingerprint, each.inputs) for each in purchases if each.reason is Reason.VENDOR)


def has_retries_left(failed: Purchase, job: Job, failures: FailureCounts) -> bool:
    """Whether `job`, which a purchase that failed serves, has retries left."""
    return (
        failed.reason is Reason.VENDOR and failures.get((failed.fingerprint, failed.inputs), 0) <= job.retries
    )

"""How each job stands: the status of the purchase that serves it, or what takes its place where none does."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.assignment import Assignment
from pipeline.jobs import Job, JobKey
from pipeline.purchases import PENDING, Purchase, PurchaseId, Reason, Status

# The reason of one in attention that another machine is about to send. It passes, so no results hold it.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Standing:
    """How one job stands: the status of what serves it, or `pending`.

    Only a run tells of failed inputs, and only a moment of what another machine is about to send (`ELSEWHERE`).
    """

    status: str
    reason: str | None
    purchase: Purchase | None

    def __repr__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        purchase = f", purchase {self.purchase.id}" if self.purchase is not None else ""
        return f"<Standing: {self.status}{reason}{purchase}>"


def standing(
    job: Job,
    assignment: Assignment,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
    blocked: Collection[JobKey] = (),
    elsewhere: Collection[PurchaseId] = (),
) -> Standing:
    """How `job` stands. `inputs` and `blocked` are what the run that just ended knows of it.

    `elsewhere` are purchases in attention that another machine is about to send.
    """
    purchase = assignment.by_key.get(job.key)
    if purchase is None:
        if job.key in inputs:
            return Standing(status=Status.FAILED.value, reason=Reason.INPUT.value, purchase=None)
        return Standing(status=PENDING, reason=None, purchase=None)
    if purchase.status is Status.DONE and job.key in blocked:
        # Its files are here, but not where the manifest wants them.
        return Standing(status=Status.SUCCEEDED.value, reason=None, purchase=purchase)
    reason = purchase.reason.value if purchase.reason else None
    if purchase.status is Status.ATTENTION and purchase.id in elsewhere:
        reason = ELSEWHERE
    return Standing(status=purchase.status.value, reason=reason, purchase=purchase)


def standings(
    assignment: Assignment,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
    blocked: Collection[JobKey] = (),
    elsewhere: Collection[PurchaseId] = (),
) -> dict[JobKey, Standing]:
    """How every job stands, in the plan's order."""
    return {job.key: standing(job, assignment, inputs, blocked, elsewhere) for job in assignment.jobs}

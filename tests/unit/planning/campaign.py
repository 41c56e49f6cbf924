"""Helpers that make jobs, purchases and plans."""

from collections.abc import Collection, Mapping, Sequence

from pipeline.assignment import assign
from pipeline.jobs import Coordinates, Job, JobKey, Request, UpstreamOutput, in_plan_order
from pipeline.planning.make import make
from pipeline.planning.plan import Entry, Plan, PlanOptions, Presence
from pipeline.purchases import UNDECIDED, Decisions, Purchase, PurchaseId, Reason, Records, Status


def job(
    name: str,
    asks: str = "walk",
    upstream: Job | None = None,
    price: int | None = 10,
    rule: str = "hero",
    template: str = "overlay",
) -> Job:
    """A job with the key `<rule>/<template>/<name>`, which requests `asks`."""
    images = (UpstreamOutput(upstream.key),) if upstream else ()
    request = Request("vimmerse", template, {"prompt": asks}, images)
    return Job(Coordinates(rule, template, name), request, path=name, credits=price)


def bought(number: int, for_job: Job, status: Status = Status.DONE, *inputs: Purchase) -> Purchase:
    """A purchase for a job; the larger its number, the newer it is."""
    return Purchase(
        id=PurchaseId(f"{number:016x}"),
        key=for_job.key,
        fingerprint=for_job.fingerprint,
        status=status,
        bought_at=f"2026-01-01T00:{number:02}:00Z",
        template_id=for_job.request.template_id,
        inputs=tuple(each.id for each in inputs),
        reason=Reason.VENDOR if status is Status.FAILED else None,
        request=for_job.request_json(PurchaseId(f"{number:016x}")),
    )


def plan(
    jobs: Sequence[Job],
    *purchases: Purchase,
    presence: Mapping[JobKey, Presence] | None = None,
    selected: Collection[JobKey] | None = None,
    replacing: Collection[Job] = (),
    retry_failed: bool = False,
    decisions: Decisions = UNDECIDED,
) -> Plan:
    """The plan for jobs, given these purchases."""
    records = Records({each.id: each for each in purchases})
    asked = PlanOptions(
        selected=None if selected is None else frozenset(selected),
        replace=frozenset(each.key for each in replacing),
        retry_failed=retry_failed,
    )
    return make(assign(in_plan_order(jobs), records, decisions), presence or {}, asked)


def only(made: Plan, of: Job) -> Entry:
    """The entry of one job."""
    entry = made.entry(of.key)
    assert entry is not None
    return entry

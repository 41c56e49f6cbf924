"""Jobs that ask for one thing each, and purchases of them."""

from pipeline.jobs import Coordinates, Job, JobKey, Request, UpstreamOutput
from pipeline.purchases import Purchase, PurchaseId, Reason, Records, Served, Status


def job(name: str, asks: str = "walk", upstream: str | None = None) -> Job:
    """A job with the key `r/t/<name>`, which requests `asks`."""
    images = (UpstreamOutput(JobKey(f"r/t/{upstream}")),) if upstream else ()
    return Job(Coordinates("r", "t", name), Request("vimmerse", "t", {"prompt": asks}, images), path=name)


def bought(
    number: int, for_job: Job, *inputs: Purchase, status: Status = Status.DONE, time: int | None = None
) -> Purchase:
    return Purchase(
        id=PurchaseId(f"{number:016x}"),
        key=for_job.key,
        fingerprint=for_job.fingerprint,
        status=status,
        bought_at=f"2026-01-01T00:{time if time is not None else number:02}:00Z",
        template_id="t",
        inputs=tuple(each.id for each in inputs),
        reason=Reason.VENDOR if status is Status.FAILED else None,
    )


def records(*purchases: Purchase, **served: Purchase) -> Records:
    return Records(
        {each.id: each for each in purchases},
        {JobKey(f"r/t/{name}"): Served(purchase=each.id) for name, each in served.items()},
    )

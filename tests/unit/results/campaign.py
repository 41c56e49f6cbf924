"""Helpers that make a campaign of a few jobs, and write and read its results."""

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import MappingProxyType

from pipeline.assignment import Assignment, assign
from pipeline.jobs import Coordinates, Job, Request, UpstreamOutput
from pipeline.json_values import Json
from pipeline.media.facts import MediaMap
from pipeline.purchases import (
    UNDECIDED,
    Decisions,
    Output,
    Purchase,
    PurchaseId,
    Reason,
    Records,
    Status,
    WorkflowId,
)
from pipeline.results.document import Builder, Heading
from pipeline.results.file import ResultsFile, read, write

Document = dict[str, Json]
HEADING = Heading(campaign="spring", manifest="campaign.yaml", output="output/spring", tool="pipeline 1")
FILM = Output("video/mp4", url="https://media.example/film.mp4", sha256="c" * 64, bytes=1000)


def job(name: str, asks: str = "walk", upstream: Job | None = None, steps: bool = False) -> Job:
    """A job with the key `r/t/<name>`, which requests `asks`."""
    images = (UpstreamOutput(upstream.key),) if upstream else ()
    request = Request("vimmerse", "t", {"prompt": asks}, images)
    return Job(Coordinates("r", "t", name), request, path=f"r/{name}", credits=10, steps=steps)


def bought(number: int, for_job: Job, status: Status = Status.DONE, *inputs: Purchase) -> Purchase:
    """A purchase for a job; the larger its number, the newer it is."""
    named = status in {Status.SUBMITTED, Status.SUCCEEDED, Status.DONE}
    return Purchase(
        id=PurchaseId(f"{number:016x}"),
        key=for_job.key,
        fingerprint=for_job.fingerprint,
        status=status,
        bought_at=f"2026-01-01T00:{number:02}:00Z",
        template_id="t",
        inputs=tuple(each.id for each in inputs),
        reason=Reason.VENDOR if status is Status.FAILED else None,
        workflow_id=WorkflowId(f"wf-{number}") if named or status is Status.FAILED else None,
        request=for_job.request_json(PurchaseId(f"{number:016x}")),
        outputs=(FILM,) if status is Status.DONE else (),
        credits=10,
        path=for_job.path,
    )


def assignment_of(jobs: Sequence[Job], *purchases: Purchase, decisions: Decisions = UNDECIDED) -> Assignment:
    return assign(jobs, Records({each.id: each for each in purchases}), decisions)


def document(
    jobs: Sequence[Job],
    *purchases: Purchase,
    decisions: Decisions = UNDECIDED,
    published: Collection[PurchaseId] = (),
    heading: Heading = HEADING,
    media: MediaMap = MappingProxyType({}),
) -> Document:
    """The results manifest of a campaign with these jobs and purchases."""
    assignment = assignment_of(jobs, *purchases, decisions=decisions)
    return Builder().build(
        heading,
        assignment=assignment,
        records=assignment.matcher.records,
        decisions=decisions,
        published=published,
        media=media,
    )


def read_back(made: Document, name: str = "spring.results.json") -> ResultsFile:
    """What a reader gets of `made` once it is written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path, made, None)
        results = read(path, name)
    assert results is not None
    return results

"""Turns a job into an order: its bytes read and held against the hash that was planned, urls made fresh."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import as_on_disk, read_limited
from pipeline.jobs import Job, LocalFile, MediaType, RemoteFile, UpstreamOutput
from pipeline.providers.base import Attachment, CreateRequest, Media, NotFound, Provider, Workflow
from pipeline.providers.media import LONGEST_SIGNATURE, sniffed
from pipeline.purchases import WorkflowId

# The vendor's limit for an image; a video from upstream may be larger.
LARGEST_IMAGE = 25 * 1024 * 1024
LARGEST_MEDIA = 1 << 30


class InputFailed(PipelineError):
    """What a job is made from is gone, or is not what was planned: it fails without anything being bought."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The purchase that a chained job is made from; by output, the files that it brought to this machine."""

    workflow_id: WorkflowId
    files: Mapping[str, tuple[tuple[Path, str, str], ...]]


def prepare(
    provider: Provider, job: Job, folder: Path, purchase: str, upstream: Upstream | None
) -> CreateRequest:
    """The order for `job` under the purchase id `purchase`, with what it needs uploaded. Buys nothing.

    `folder` is the manifest's: local paths are relative to it.

    Raises:
        InputFailed: a file is missing or changed since it was planned, or the upstream lacks the output.
        VendorError, AccountError: the vendor did not answer soundly, or refused the key.
    """
    request = job.request
    attached = {file.sha256: _attach(file, folder) for file in job.local_files()}
    images: list[str | Attachment] = []
    for source in request.images:
        match source:
            case LocalFile(sha256=digest):
                images.append(attached[digest])
            case RemoteFile(url):
                images.append(url)
            case UpstreamOutput():
                images.append(_from_upstream(provider, source, upstream))
    order = CreateRequest(
        template_id=request.template_id,
        options=request.options,
        title=job.title(purchase),
        description=job.description(purchase),
        visibility=job.visibility,
        images=tuple(images),
        event_id=request.event_id,
        joined=request.joined,
        attached=attached,
    )
    return provider.prepare(order)


def _attach(file: LocalFile, folder: Path) -> Attachment:
    return _attachment(as_on_disk(folder / file.path), file.path, file.sha256, LARGEST_IMAGE)


def _attachment(path: Path, name: str, digest: str, limit: int) -> Attachment:
    try:
        content = read_limited(path, limit)
    except (OSError, ValueError) as error:
        raise InputFailed(f"{name}: {error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputFailed(f"{name}: changed since it was planned; run again to plan with what it is now")
    content_type = sniffed(content[:LONGEST_SIGNATURE], "")
    if content_type is None:
        raise InputFailed(f"{name}: not a kind of image or video that is known")
    return Attachment(LocalFile(name, digest), content, content_type)


def _from_upstream(provider: Provider, source: UpstreamOutput, upstream: Upstream | None) -> str | Attachment:
    if upstream is None:
        raise InputFailed(f"{source.job} has brought nothing to be made from")
    try:
        media = chosen(outputs_of(provider.get(upstream.workflow_id), source.output), source.media)
    except NotFound:
        media = None
    if media is not None:
        return media.url
    # Gone at the vendor; what was downloaded is as good.
    for path, digest, content_type in upstream.files.get(source.output, ()):
        if source.media is None or content_type.startswith(f"{source.media}/"):
            return _attachment(path, path.name, digest, LARGEST_MEDIA)
    kind = source.media or "file"
    raise InputFailed(f"{source.job} has no {kind} in its {source.output} for this job to be made from")


def outputs_of(workflow: Workflow, output: str) -> tuple[Media, ...]:
    """The files of a workflow's `result`, or of the step of that name."""
    if output == "result":
        return workflow.result
    return next((media for flow, media in workflow.steps if flow == output), ())


def chosen(media: tuple[Media, ...], kind: MediaType | None) -> Media | None:
    """The first of a kind; of any, where the kind is not known."""
    return next((each for each in media if kind is None or each.kind is kind), None)

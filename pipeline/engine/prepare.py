"""Turns the next job to buy into a request: reads files, checks them against the planned hash, renews urls."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import record_limits
from pipeline.artifacts.base import COPIES
from pipeline.artifacts.store_access import on_this_machine
from pipeline.engine.calls import CallPool, Clock, NoCredit, result_of
from pipeline.engine.listing import matched, media_of, recorded_of
from pipeline.errors import ExitCode, InvalidInput, PipelineError, Unfinished
from pipeline.files import read_limited
from pipeline.jobs import Job, JobKey, LocalFile, MediaType, RemoteFile, UpstreamOutput
from pipeline.paths import as_on_disk
from pipeline.planning.hints import missing_files
from pipeline.providers.base import (
    Attachment,
    CallRefused,
    CreateRequest,
    DownloadFailed,
    Media,
    NotFound,
    Provider,
    VendorError,
)
from pipeline.providers.media import LONGEST_SIGNATURE, sniffed
from pipeline.purchases import Output, Purchase, PurchaseId, WorkflowId

if TYPE_CHECKING:
    from pipeline.artifacts.inventory import Inventory
    from pipeline.engine.buy_queue import BuyQueue
    from pipeline.engine.in_flight import InFlight
    from pipeline.engine.served_jobs import ServedJobs
    from pipeline.planning.plan import Entry
    from pipeline.schemes import OutputLocation

# The vendor's limit for an image; a video from upstream may be larger.
LARGEST_IMAGE = 25 * 1024 * 1024
LARGEST_MEDIA = 1 << 30


class InputFailed(PipelineError):
    """An input of a job is missing, or is not what was planned: the job fails, and nothing is bought."""


@dataclass(frozen=True, slots=True)
class UpstreamFiles:
    """The purchase that a chained job is made from, and its files on this machine, by output."""

    purchase: Purchase
    workflow_id: WorkflowId
    files: Mapping[str, tuple[tuple[OutputLocation, str, str], ...]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry of a plan whose create is ready to be sent; `source` is the purchase that it is made from, if any."""

    entry: Entry
    job: Job
    purchase_id: PurchaseId
    source: Purchase | None
    request: CreateRequest


@dataclass(kw_only=True, eq=False, slots=True)
class Preparer:
    """Prepares the entries of the queue, as long as `in_flight` is not full.

    `on_input_failed` gets a job whose request cannot be prepared.
    """

    provider: Provider
    calls: CallPool
    clock: Clock
    queue: BuyQueue
    in_flight: InFlight
    served_jobs: ServedJobs
    purchases: Mapping[PurchaseId, Purchase]
    inventory: Inventory
    manifest_folder: Path
    new_id: Callable[[], str]
    webhook_url: Callable[[PurchaseId, str], str | None] = lambda _purchase_id, _template_id: None
    on_input_failed: Callable[[Job, PipelineError], None]

    _count: int = field(default=0, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being prepared, and nothing can be prepared now."""
        due_at = self.due_at()
        return self._count == 0 and (due_at is None or due_at > self.clock.monotonic())

    def due_at(self) -> float | None:
        """When it may next have an entry to prepare, in monotonic seconds; None: not before another call ends."""
        return None if self.in_flight.is_full else self.queue.wakes_at()

    def start_next(self, on_prepared: Callable[[Prepared], None]) -> bool:
        """Start to prepare the next entry that may be bought; `on_prepared` gets it. False if there is none."""
        entry = None if self.in_flight.is_full else self.queue.next(self.clock.monotonic())
        if entry is None or entry.job is None:
            return False
        source = self._source(entry.job, entry.source)
        if source is not None and self._is_put_back(entry, source, entry.job.upstream or source.key):
            return True
        self._count += 1
        self.in_flight.reserve()
        purchase_id = PurchaseId(self.new_id())
        self.calls.submit_local(
            partial(self._done, entry, entry.job, purchase_id, source, on_prepared),
            prepare,
            provider=self.provider,
            job=entry.job,
            folder=self.manifest_folder,
            purchase_id=purchase_id,
            upstream=self._files_of(source),
            webhook_url=self.webhook_url(purchase_id, entry.job.request.template_id),
        )
        return True

    def _is_put_back(self, entry: Entry, source: Purchase, upstream: JobKey) -> bool:
        """Whether files of its source are missing, so that `entry` waits: it may need one of those."""
        now, failures = self.clock.monotonic(), self.in_flight.failed_fetches(source.id)
        if failures:
            self.queue.put_back(entry, now, failures)  # they may still arrive in this run
            return True
        if source.lacks_files:
            self.queue.unprepared(entry, VendorError(missing_files(source, upstream)), now)
        return source.lacks_files

    def _source(self, job: Job, planned: Purchase | None) -> Purchase | None:
        """The only purchase that a chained job is made from: as planned, or the one that serves its upstream."""
        if planned is not None:
            return self.purchases.get(planned.id, planned)
        purchase_id = None if job.upstream is None else self.served_jobs.by_key.get(job.upstream)
        return None if purchase_id is None else self.purchases.get(purchase_id)

    def _files_of(self, source: Purchase | None) -> UpstreamFiles | None:
        if source is None or source.workflow_id is None:
            return None
        return UpstreamFiles(source, source.workflow_id, self.inventory.files_of(source))

    def _done(
        self,
        entry: Entry,
        job: Job,
        purchase_id: PurchaseId,
        source: Purchase | None,
        on_prepared: Callable[[Prepared], None],
        future: Future[CreateRequest],
    ) -> None:
        self._count -= 1
        result = result_of(future)
        self.calls.charge(_requests_made(job, result))
        if isinstance(result, CreateRequest):
            on_prepared(
                Prepared(entry=entry, job=job, purchase_id=purchase_id, source=source, request=result)
            )
            return
        self.in_flight.release()
        match result:
            case InputFailed() | CallRefused():
                self.queue.give_up(entry)
                self.on_input_failed(job, result)
            case NoCredit():
                self.queue.stop(ExitCode.STOPPED_BUYING, str(result))
            case VendorError():
                self.queue.unprepared(entry, result, self.clock.monotonic())
            case _:
                raise result


def _requests_made(job: Job, result: CreateRequest | PipelineError) -> int:
    """The number of requests to the vendor that preparing `job` made: one per upstream and one per upload."""
    asked = sum(isinstance(source, UpstreamOutput) for source in job.request.images)
    if isinstance(result, PipelineError):
        return max(asked, isinstance(result, VendorError))
    still_files = sum(isinstance(image, Attachment) for image in result.images)
    return asked + max(0, len(set(job.local_files())) - still_files)


def prepare(
    *,
    provider: Provider,
    job: Job,
    folder: Path,
    purchase_id: PurchaseId,
    upstream: UpstreamFiles | None,
    webhook_url: str | None = None,
) -> CreateRequest:
    """The request for `job` as purchase `purchase_id`, after uploading what it needs. Buys nothing.

    `folder` is the manifest's: local paths are relative to it. The vendor calls `webhook_url` when the workflow ends.

    Raises:
        InputFailed: a file is missing or changed since it was planned, or the upstream lacks the output.
        CallRefused: the request cannot be sent as it is, or an upload is refused.
        VendorError, AccountError: the vendor did not give a valid response, or refused the key.
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
                images.append(_from_upstream(provider, source, upstream, folder))
    create = CreateRequest(
        template_id=request.template_id,
        options=request.options,
        title=job.title(purchase_id),
        description=job.description(purchase_id),
        visibility=job.visibility,
        images=tuple(images),
        event_id=request.event_id,
        webhook_url=webhook_url,
        joined=request.joined,
        attached=attached,
    )
    return provider.prepare(create)


def _attach(file: LocalFile, folder: Path) -> Attachment:
    return _attachment(as_on_disk(folder / file.path), file.path, file.sha256, LARGEST_IMAGE)


def _attachment(path: Path, name: str, digest: str, limit: int) -> Attachment:
    try:
        content = read_limited(path, limit)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputFailed(f"{name}: {why or error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputFailed(f"{name}: has changed since it was planned; run again to use it as it is now")
    content_type = sniffed(content[:LONGEST_SIGNATURE], "")
    if content_type is None:
        raise InputFailed(f"{name}: not a known kind of image or video")
    return Attachment(LocalFile(name, digest), content, content_type)


def _from_upstream(
    provider: Provider, source: UpstreamOutput, upstream: UpstreamFiles | None, folder: Path
) -> str | Attachment:
    if upstream is None:
        raise InputFailed(f"{source.job} has no output to make this from")
    recorded = recorded_of(upstream.purchase, source.output)
    # Without a record (as for a step whose files were not wanted), only the vendor's order is left to go by.
    index = _first([Media("", each.content_type) for each in recorded], source.media)
    media = _listed(provider, source, upstream, recorded, index)
    if isinstance(media, Media):
        return media.url
    # The vendor no longer has it, or it cannot be identified; use the downloaded copy.
    for location, digest, content_type in upstream.files.get(source.output, ()):
        # Never another file of the upstream in place of one that was not downloaded.
        is_wanted = index is not None and recorded[index].sha256 == digest
        if is_wanted and (source.media is None or content_type.startswith(f"{source.media}/")):
            try:
                with on_this_machine(location, digest, folder / COPIES) as path:
                    return _attachment(path, location.name, digest, LARGEST_MEDIA)
            except (Unfinished, InvalidInput) as error:
                # A store that fails now does not end the run; the preparation is retried.
                raise VendorError(str(error)) from error
    if media is not None and index is not None:
        return _by_hash(provider, media, recorded[index]).url
    kind = source.media or "file"
    raise InputFailed(f"{source.job} has no {kind} in its {source.output} for this job to be made from")


def _listed(
    provider: Provider,
    source: UpstreamOutput,
    upstream: UpstreamFiles,
    recorded: Sequence[Output],
    index: int | None,
) -> Media | Sequence[Media] | None:
    """The listed file that is `recorded[index]`, or all listed files that could be; None if there is none."""
    try:
        listed = media_of(provider.get(upstream.workflow_id), source.output)
    except NotFound:
        return None
    except CallRefused as error:
        # Says nothing of the job, unlike the refusal of an upload, so it is asked again, as in a poll.
        why = f"the vendor refuses to report on the workflow of {source.job} ({error})"
        raise VendorError(why, error.after) from error
    if index is None:
        first = _first(listed, source.media)
        return None if first is None else listed[first]
    pairs = matched(recorded, listed)
    if index in pairs:
        return listed[pairs[index]]
    left = [media for number, media in enumerate(listed) if number not in pairs.values()]
    if recorded[index].sha256 is None:
        first = _first(left, source.media)
        return None if first is None else left[first]
    return left or None


def _by_hash(provider: Provider, candidates: Sequence[Media], wanted: Output) -> Media:
    """The one of `candidates` whose bytes have the hash of `wanted`."""
    left, failure = record_limits.LARGEST_PURCHASE, None
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        for number, media in enumerate(candidates):
            target = Path(folder, f"candidate{number}")
            try:
                fetched = provider.download(replace(media, most=left), target)
            except DownloadFailed as failed:
                # A file that cannot be fetched may not be the wanted one, so try the others first.
                failure = failure or failed
                continue
            if fetched.sha256 == wanted.sha256:
                return media
            target.unlink()
            left -= fetched.bytes
            if left < 0:
                break
    if failure is not None:
        raise failure
    raise InputFailed("the vendor no longer lists the file that this job is made from")


def _first(media: Sequence[Media], kind: MediaType | None) -> int | None:
    """The index of the first file of a kind, or else of the first of unknown kind; None if there is none."""
    for wanted in ({kind} if kind is not None else {*MediaType, None}, {None}):
        for index, each in enumerate(media):
            if each.kind in wanted:
                return index
    return None

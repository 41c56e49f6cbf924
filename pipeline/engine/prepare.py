"""Turns the next job to buy into a request: reads files, checks them against the planned hash, renews urls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.attachments import InputFailed, attach
from pipeline.engine.calls import CallPool, Clock, NoCredit, result_of
from pipeline.engine.upstream import NotIdentified, NowhereFound, UpstreamFiles, from_upstream
from pipeline.errors import ExitCode, PipelineError
from pipeline.jobs import Job, JobKey, LocalFile, RemoteFile, UpstreamOutput
from pipeline.planning.hints import missing_files
from pipeline.providers.base import (
    Attachment,
    CallRefused,
    CreateRequest,
    Provider,
    VendorError,
)
from pipeline.purchases import Purchase, PurchaseId

if TYPE_CHECKING:
    from pipeline.artifacts.inventory import Inventory
    from pipeline.engine.buy_queue import BuyQueue
    from pipeline.engine.in_flight import InFlight
    from pipeline.engine.served_jobs import ServedJobs
    from pipeline.planning.plan import Entry

# The backoff, in attempts, after which it is looked again whether the files of a source are here.
_BETWEEN_LOOKS = 2


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
    # Sources of which only the bytes tell which file is wanted.
    _unclear: set[PurchaseId] = field(default_factory=set, init=False)

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
        is_unclear = source.id in self._unclear and self.in_flight.is_to_be_fetched(source.id)
        if failures or is_unclear:
            self.queue.put_back(entry, now, failures or _BETWEEN_LOOKS)  # they may still arrive in this run
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
        stem, _ = self.served_jobs.stem(source)
        return UpstreamFiles(source, source.workflow_id, self.inventory.files_of(source), stem)

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
            case NotIdentified():
                self._not_identified(entry, source, result)
            case NowhereFound(advice=advice):
                self.queue.unprepared(entry, result, self.clock.monotonic(), advice)
            case VendorError():
                self.queue.unprepared(entry, result, self.clock.monotonic())
            case _:
                raise result

    def _not_identified(self, entry: Entry, source: Purchase | None, error: NotIdentified) -> None:
        """Let `entry` wait for the files of its source; if this run does not fetch them, leave it to the next one."""
        is_fetched_since = source is not None and self.purchases.get(source.id) != source
        if source is not None and (is_fetched_since or self.in_flight.is_to_be_fetched(source.id)):
            self._unclear.add(source.id)
            self.queue.put_back(entry, self.clock.monotonic(), _BETWEEN_LOOKS)
        else:
            self.queue.leave_to_next_run(entry, str(error))


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
    attached = {file.sha256: attach(file, folder) for file in job.local_files()}
    images: list[str | Attachment] = []
    for source in request.images:
        match source:
            case LocalFile(sha256=digest):
                images.append(attached[digest])
            case RemoteFile(url):
                images.append(url)
            case UpstreamOutput():
                images.append(from_upstream(provider, source, upstream, folder))
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

"""Fetches the files of purchases that succeeded, and has them put in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.file_names import NamedFile, named
from pipeline.artifacts.inventory import aside
from pipeline.engine.calls import CallPool, result_of
from pipeline.engine.fetch import FetchResult, fetch
from pipeline.engine.fetch_list import Wanted
from pipeline.engine.fetch_on_worker import (
    Destination,
    SentFiles,
    fetch_and_send,
    fetch_to_shared_folder,
    not_shared,
    to_be_sent,
)
from pipeline.errors import ExitCode, InvalidInput, PipelineError, Unfinished, printable, reason_of
from pipeline.media.facts import as_json
from pipeline.paths import of_another_locale
from pipeline.providers.base import DownloadFailed, NotFound, Provider, VendorError
from pipeline.purchases import Purchase, PurchaseId, Status, WorkflowId
from pipeline.records import PURCHASE_ID
from pipeline.state.events import Fetched, NothingFetched, PartlyFetched

if TYPE_CHECKING:
    from pipeline.artifacts.base import StoredObject
    from pipeline.artifacts.output_folder import OutputFolder
    from pipeline.engine.in_flight import InFlight, TrackedPurchase
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Reporter, RunReport
    from pipeline.engine.served_jobs import ServedJobs
    from pipeline.jobs import Job, JobKey

# Errors that keep one purchase's files from being put in place, but do not end the run.
_BLOCKING = (Unfinished, InvalidInput, OSError, UnicodeError)
# Failures in a row before this run leaves the files to the next one.
MAX_DOWNLOAD_FAILURES = 5
_WITHOUT_WORKFLOW = "(see docs/reference/errors.md#missing-workflow)"
_REDO = f"`redo` has it bought again, and `prune` records that it is gone {_WITHOUT_WORKFLOW}"
_PRUNE = f"`prune` with this id records that it is gone {_WITHOUT_WORKFLOW}"


@dataclass(kw_only=True, eq=False, slots=True)
class Downloader:
    """Fetches the files of purchases, with retries; this machine, not a worker, fetches those in `_here`."""

    provider: Provider
    calls: CallPool
    journal: Journal
    in_flight: InFlight
    served_jobs: ServedJobs
    outputs: OutputFolder
    reporter: Reporter
    report: RunReport
    keep_still: Callable[[str, bytes], object]
    _here: set[PurchaseId] = field(default_factory=set, init=False)
    _on_workers: dict[PurchaseId, Path] = field(default_factory=dict, init=False)
    _installed: set[PurchaseId] = field(default_factory=set, init=False)

    def fetch(self, tracked: TrackedPurchase) -> None:
        """Fetch the files of a purchase, and put them in place."""
        try:
            wanted = self._wanted(tracked.purchase)
        except _BLOCKING as error:
            self._blocked(tracked, _reason(error))
            return
        files = sum(1 for _ in named(tracked.purchase, "", wanted.with_steps))
        self.calls.charge(files - len(wanted.here) + (tracked.latest is None))
        self._start(tracked, wanted)

    def _start(self, tracked: TrackedPurchase, wanted: Wanted) -> None:
        """Submit the fetch: to a worker if there are any, which also uploads the files if they go to a store."""
        purchase, uploader = tracked.purchase, self.outputs.remote_uploader
        asked = (self.provider, purchase.workflow_id or WorkflowId(""), wanted, tracked.latest)
        if not self.calls.has_workers:
            self.calls.submit(partial(self._fetched, tracked), fetch, *asked)
        elif uploader is None:
            self._on_workers[purchase.id] = wanted.beside.parent
            self.calls.submit(partial(self._fetched, tracked), fetch_to_shared_folder, *asked)
        elif purchase.id in self._here:
            self.calls.submit_local(partial(self._fetched, tracked), fetch, *asked)
        else:
            stem, with_steps = self.served_jobs.stem(purchase)
            to = Destination(purchase, stem, with_steps, uploader)
            self.calls.submit(partial(self._sent_by_worker, tracked, to), fetch_and_send, *asked, to)

    def delete_leftovers(self) -> None:
        """Delete the temporary files that workers left beside files that are in place; call this when a run ends.

        A cluster repeats a fetch whose worker died, even one that had ended, so nobody finishes what such a worker
        left.
        """
        by_folder: dict[Path, set[str]] = {}
        for purchase_id in self._installed & self._on_workers.keys():
            by_folder.setdefault(self._on_workers[purchase_id], set()).add(purchase_id)
        for folder, ids in by_folder.items():
            with suppress(OSError):
                for temporary in folder.glob(".*"):
                    of = PURCHASE_ID.match(temporary.name, 1)
                    if of is not None and of[0] in ids:
                        temporary.unlink(missing_ok=True)

    def _wanted(self, purchase: Purchase) -> Wanted:
        stem, with_steps = self.served_jobs.stem(purchase)
        files = list(named(purchase, stem, with_steps))
        path = files[0].path if files else stem
        return Wanted(
            beside=self.outputs.temporary_folder(path) / f".{purchase.id}",
            outputs=purchase.outputs,
            steps=purchase.steps,
            with_steps=with_steps,
            is_open=purchase.status is not Status.DONE,
            here=frozenset(file.slot for file in files if self.outputs.holds(purchase, file)),
        )

    def _fetched(self, tracked: TrackedPurchase, future: Future[FetchResult]) -> None:
        result = result_of(future)
        if isinstance(result, PipelineError):
            self._not_fetched(tracked, result)
        else:
            if self.calls.has_workers:
                self._assert_here(result)
            self._send(tracked, result)

    def _not_fetched(self, tracked: TrackedPurchase, error: PipelineError) -> None:
        if isinstance(error, DownloadFailed) and error.lasting:
            self._note_failure(tracked.purchase, error)
            self.in_flight.defer(tracked, str(error))
        elif isinstance(error, VendorError):
            self._failed(tracked, error)
        else:
            raise error

    def _assert_here(self, fetched: FetchResult) -> None:
        """Check that a worker put the files where this machine sees them.

        Raises:
            NotShared: it did not.
        """
        for file in fetched.files.values():
            try:
                is_here = file.temporary.stat().st_size == file.downloaded.bytes
            except OSError:
                is_here = False
            if not is_here:
                raise not_shared(file.temporary.parent)

    def _sent_by_worker(self, tracked: TrackedPurchase, to: Destination, future: Future[SentFiles]) -> None:
        result = result_of(future)
        if isinstance(result, SentFiles):
            self.outputs.note_uploaded(result.found)
            if result.is_complete(to):
                self._install(tracked, result.fetched)
            else:
                # A path is taken, or a file did not arrive: to decide what to do, this machine needs the files.
                self._here.add(tracked.purchase.id)
                self.in_flight.schedule(tracked, 0.0)
        elif isinstance(result, _BLOCKING):
            self._blocked(tracked, _reason(result))
        else:
            self._not_fetched(tracked, result)

    def _send(self, tracked: TrackedPurchase, fetched: FetchResult) -> None:
        """Upload the files to an object store, without blocking the coordinator; or put them in place."""
        stem, with_steps = self.served_jobs.stem(tracked.purchase)
        uploads = to_be_sent(tracked.purchase, stem, fetched, with_steps=with_steps)
        upload = self.outputs.early_upload(uploads)
        if upload is None or not fetched.is_complete:
            self._install(tracked, fetched)
        else:
            self.calls.submit_local(partial(self._sent, tracked, fetched), upload)

    def _sent(
        self, tracked: TrackedPurchase, fetched: FetchResult, future: Future[Mapping[str, StoredObject]]
    ) -> None:
        try:
            self.outputs.note_uploaded(future.result())
        except _BLOCKING as error:
            _drop(fetched)
            self._blocked(tracked, _reason(error))
        else:
            self._install(tracked, fetched)

    def _failed(self, tracked: TrackedPurchase, error: VendorError) -> None:
        tracked.attempts += 1
        tracked.latest = None  # its urls may have expired
        if tracked.attempts >= MAX_DOWNLOAD_FAILURES or (error.after or 0.0) > tracked.timeout:
            is_part = tracked.purchase.is_partly_fetched
            if isinstance(error, NotFound) and self._is_whole(tracked.purchase):
                # The vendor was asked only for files that are not recorded, and has none.
                self._install(tracked, FetchResult(tracked.purchase.outputs, tracked.purchase.steps, {}))
            elif isinstance(error, NotFound):
                # Running again would not help; whether the files are worth their price again, a person decides.
                which = "not all of its files can" if is_part else "its files cannot"
                why = f"{which} be downloaded: the vendor no longer has its workflow ({error})"
                self.report.without_workflow.add(tracked.purchase.id)
                serves = bool(self.served_jobs.of(tracked.purchase.id))
                self.in_flight.defer(tracked, why, _REDO if serves else _PRUNE)
            else:
                self._note_failure(tracked.purchase, error)
                which = "not all of its files could" if is_part else "its files could not"
                self.in_flight.defer(tracked, f"{which} be downloaded ({error})")
        else:
            self.in_flight.back_off(tracked, error.after)

    def _is_whole(self, purchase: Purchase) -> bool:
        """Whether every recorded file that is wanted is here, fetched by this machine or another."""
        stem, with_steps = self.served_jobs.stem(purchase)
        files = list(named(purchase, stem, with_steps))
        return bool(files) and all(self.outputs.holds(purchase, file) for file in files)

    def _note_failure(self, purchase: Purchase, error: VendorError) -> None:
        """Record that no file of a purchase could be fetched: nothing is made from one whose urls are dead."""
        is_open = purchase.status is Status.SUCCEEDED and not purchase.is_partly_fetched
        if is_open and isinstance(error, DownloadFailed):  # otherwise, no file was asked for
            self.journal.record(purchase.id, NothingFetched(f"its files could not be downloaded ({error})"))

    def _install(self, tracked: TrackedPurchase, fetched: FetchResult) -> None:
        purchase = tracked.purchase
        is_open = purchase.status is Status.SUCCEEDED
        brought = replace(purchase, outputs=fetched.outputs, steps=fetched.steps) if is_open else purchase
        stem, with_steps = self.served_jobs.stem(purchase)
        try:
            if fetched.failure is not None and not self._is_free(brought, stem, with_steps=with_steps):
                there = named(brought, purchase.path, with_steps)
                files = [replace(file, path=aside(file.path, purchase.id)) for file in there]
            else:
                files = list(named(brought, stem, with_steps))
        except _BLOCKING as error:
            _drop(fetched)
            self._blocked(tracked, _reason(error))
            return
        blocked = self._install_files(purchase.id, files, fetched)
        if is_open and (blocked or fetched.failure is not None) and len(blocked) < len(fetched.files):
            part = fetched.without(blocked)
            self.journal.record(purchase.id, PartlyFetched(part.outputs, part.steps), self._copy_part)
            tracked.purchase = self.journal.purchases[purchase.id]
        if blocked:
            self._blocked(tracked, _reason(next(iter(blocked.values()))))
            return
        if fetched.failure is not None:
            self._not_fetched(tracked, fetched.failure)
            return
        if fetched.problem is not None:
            self.in_flight.defer(tracked, fetched.problem)
            return
        self.in_flight.remove(tracked)
        self._installed.add(purchase.id)
        if fetched.unusable and is_open:
            why = (
                f"the vendor lists a file whose url cannot be used, so it was not fetched: {fetched.unusable}"
            )
            self.report.notes += [f"{name}: {why}" for name in self.served_jobs.names(purchase)]
        if is_open:
            self.journal.record(purchase.id, Fetched(fetched.outputs, fetched.steps), self.copy)
        else:
            self.copy(purchase)

    def _install_files(
        self, purchase_id: PurchaseId, files: Sequence[NamedFile], fetched: FetchResult
    ) -> Mapping[str, Exception]:
        """Put the fetched files in place; returns, by slot, what kept one from it, which does not affect others."""
        blocked: dict[str, Exception] = {}
        for file in files:
            if (arrived := fetched.files.get(file.slot)) is None:
                continue
            digest = arrived.downloaded.sha256
            try:
                self.outputs.install(arrived.temporary, file.path, purchase_id, file.slot, digest)
                if arrived.still is not None:
                    self.keep_still(digest, arrived.still)
            except _BLOCKING as error:
                arrived.temporary.unlink(missing_ok=True)
                blocked[file.slot] = error
            else:
                if arrived.media is not None:
                    self.report.media[digest] = as_json(arrived.media)
        return blocked

    def _is_free(self, purchase: Purchase, stem: str, *, with_steps: bool) -> bool:
        """Whether files may be put under `stem` before all are here: an earlier take there is replaced as a whole."""
        return self.outputs.is_free(named(purchase, stem, with_steps), purchase.id)

    def _copy_part(self, purchase: Purchase) -> None:
        """As `copy`, while some of the files are missing: a job that has files of an earlier take keeps those."""
        jobs = self.served_jobs.of(purchase.id)
        self._put(purchase, [job for job in jobs if self._is_free(purchase, job.path, with_steps=job.steps)])

    def copy(self, purchase: Purchase) -> None:
        """Give each job that the purchase serves its own copy of the files."""
        jobs = self.served_jobs.of(purchase.id)
        complete = self._put(purchase, jobs)
        for key in complete:
            self.served_jobs.complete(key)
            self.reporter.report(key, "done")
        for job in jobs:
            if job.key not in complete and job.key not in self.report.blocked:
                self._block(
                    job.key, "not all of its files are on this machine (`pipeline collect` downloads them)"
                )

    def _put(self, purchase: Purchase, jobs: Sequence[Job]) -> Sequence[JobKey]:
        """Put the files where each of `jobs` wants them; returns the keys of those that have all of them then."""
        needed = {
            file.path: file.output.sha256 for job in jobs for file in named(purchase, job.path, job.steps)
        }
        complete = []
        for job in jobs:
            try:
                if self.outputs.put(job, purchase, needed):
                    complete.append(job.key)
            except PipelineError as error:
                self._block(job.key, str(error))
        return complete

    def _block(self, key: JobKey, why: str) -> None:
        self.report.blocked[key] = why
        self.report.add_reason(ExitCode.UNFINISHED, why)

    def _blocked(self, tracked: TrackedPurchase, why: str) -> None:
        self.in_flight.remove(tracked)
        for job in self.served_jobs.of(tracked.purchase.id):
            self.report.blocked[job.key] = why
        self.report.add_reason(ExitCode.UNFINISHED, why)


def _drop(fetched: FetchResult) -> None:
    for file in fetched.files.values():
        file.temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """The reason to report for an error; for an error of the operating system, with the name of the file."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{printable(str(error.filename))}: {reason_of(error)}"
    if isinstance(error, UnicodeEncodeError):
        return of_another_locale(error.object) or reason_of(error)
    return reason_of(error)

"""Fetches the files of what was made, and has them put in their places."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline.artifacts.file_names import named
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.engine.calls import CallPool, result_of
from pipeline.engine.in_flight import InFlight, TrackedPurchase
from pipeline.engine.journal import Journal
from pipeline.engine.reporter import Reporter, RunReport
from pipeline.engine.served_jobs import ServedJobs
from pipeline.errors import ExitCode, PipelineError, Unfinished
from pipeline.media.facts import MediaFacts, as_json, read_facts
from pipeline.providers.base import Downloaded, DownloadFailed, Media, Provider, VendorError, Workflow
from pipeline.purchases import Output, Purchase, Status, WorkflowId
from pipeline.state.transitions import Fetched

# Failures in a row before this run leaves the files to the next one.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Target:
    """One file to fetch: `slot` says which of the purchase's it is, `path` where it will lie in the output folder.

    `temporary`, beside it, is where it is fetched to.
    """

    slot: str
    path: str
    temporary: Path


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One file that was fetched whole to `target.temporary`, and what it holds, as far as that can be read here."""

    target: Target
    downloaded: Downloaded
    media: MediaFacts | None = None


@dataclass(kw_only=True, eq=False, slots=True)
class Downloader:
    """Fetches what has succeeded, each file again as often as it takes."""

    provider: Provider
    calls: CallPool
    journal: Journal
    in_flight: InFlight
    served_jobs: ServedJobs
    outputs: OutputFolder
    reporter: Reporter
    report: RunReport

    def fetch(self, tracked: TrackedPurchase) -> None:
        """Fetch its files, and put them in their places."""
        try:
            targets = tuple(self._targets(tracked.purchase))
        except (Unfinished, OSError, UnicodeError) as error:
            self._blocked(tracked, str(error))
            return
        workflow_id = tracked.purchase.workflow_id or WorkflowId("")
        done = partial(self._fetched, tracked)
        self.calls.charge(len(targets) + (tracked.latest is None))
        self.calls.submit(done, fetch, self.provider, workflow_id, targets, tracked.latest)

    def _targets(self, purchase: Purchase) -> list[Target]:
        stem, steps = self.served_jobs.stem(purchase)
        return [
            Target(file.slot, file.path, self._temporary(purchase, file.path, file.slot))
            for file in named(purchase, stem, steps)
        ]

    def _temporary(self, purchase: Purchase, path: str, slot: str) -> Path:
        target = self.outputs.target(path)
        return target.with_name(f".{purchase.id}-{slot.replace('/', '-')}{target.suffix}")

    def _fetched(self, tracked: TrackedPurchase, future: "Future[tuple[FetchedFile, ...]]") -> None:
        result = result_of(future)
        if isinstance(result, DownloadFailed) and result.lasting:
            self.in_flight.defer(tracked, str(result))
        elif isinstance(result, VendorError):
            self._failed(tracked, result)
        elif isinstance(result, PipelineError):
            raise result
        else:
            self._install(tracked, result)

    def _failed(self, tracked: TrackedPurchase, error: VendorError) -> None:
        tracked.attempts += 1
        tracked.latest = None  # its urls may have expired
        if tracked.attempts >= ATTEMPTS or (error.after or 0.0) > tracked.timeout:
            self.in_flight.defer(tracked, f"its files could not be fetched ({error})")
        else:
            self.in_flight.back_off(tracked, error.after)

    def _install(self, tracked: TrackedPurchase, files: tuple[FetchedFile, ...]) -> None:
        purchase = tracked.purchase
        if changed := _changed(purchase, files):
            for file in files:
                file.target.temporary.unlink(missing_ok=True)
            self.in_flight.defer(
                tracked, f"the vendor's {changed.target.slot} is not the file that was fetched before"
            )
            return
        try:
            for file in files:
                target, sha256 = file.target, file.downloaded.sha256
                self.outputs.install(target.temporary, target.path, purchase.id, target.slot, sha256)
                if file.media is not None:
                    self.report.media[sha256] = as_json(file.media)
        except (Unfinished, OSError, UnicodeError) as error:
            self._blocked(tracked, str(error))
            return
        self.in_flight.remove(tracked)
        if purchase.status is Status.SUCCEEDED:
            self.journal.record(purchase.id, fetched_event(purchase, files), self._copy)
        else:
            self._copy(purchase)

    def _copy(self, purchase: Purchase) -> None:
        """The files are here: each further job that the purchase serves gets its own."""
        jobs = self.served_jobs.of(purchase.id)
        needed = {
            file.path: file.output.sha256 for job in jobs for file in named(purchase, job.path, job.steps)
        }
        for job in jobs:
            try:
                self.outputs.put(job, purchase, needed)
            except PipelineError as error:
                self.report.blocked[job.key] = str(error)
                self.report.stop(ExitCode.UNFINISHED, str(error))
            else:
                self.reporter.tell(job.key, "done")

    def _blocked(self, tracked: TrackedPurchase, why: str) -> None:
        self.in_flight.remove(tracked)
        for key in self.served_jobs.keys(tracked.purchase):
            self.report.blocked[key] = why
        self.report.stop(ExitCode.UNFINISHED, why)


def fetch(
    provider: Provider, workflow_id: WorkflowId, targets: tuple[Target, ...], latest: Workflow | None
) -> tuple[FetchedFile, ...]:
    """Fetch every target by the urls of `latest` or of a fresh answer; an expired one is asked for anew once.

    May be repeated, on any machine that sees the same folder: plain data in and out.

    Raises:
        VendorError, AccountError: a file did not come whole; what came is resumed next time.
    """
    workflow = latest or provider.get(workflow_id)
    fetched = []
    for target in targets:
        try:
            downloaded = provider.download(_media(workflow, target.slot), target.temporary)
        except DownloadFailed as failure:
            if not failure.expired:
                raise
            workflow = provider.get(workflow_id)
            downloaded = provider.download(_media(workflow, target.slot), target.temporary)
        # Here, as this may take a moment, and the coordinator has none.
        fetched.append(FetchedFile(target, downloaded, _media_of(target.temporary, downloaded)))
    return tuple(fetched)


def _media_of(path: Path, downloaded: Downloaded) -> MediaFacts | None:
    is_media = downloaded.content_type.startswith(("image/", "video/", "audio/"))
    return read_facts(path) if is_media else None


def _media(workflow: Workflow, slot: str) -> Media:
    family, *numbers = slot.split("/")
    media = workflow.result if family == "result" else _step(workflow, int(numbers[0]))
    index = int(numbers[-1])
    if index >= len(media):
        raise VendorError("the vendor does not list this file any more")
    return media[index]


def _step(workflow: Workflow, number: int) -> tuple[Media, ...]:
    return workflow.steps[number][1] if number < len(workflow.steps) else ()


def fetched_event(purchase: Purchase, files: tuple[FetchedFile, ...]) -> Fetched:
    """The event for a purchase whose files came: its outputs with what was found when they were fetched."""
    by_slot = {file.target.slot: file.downloaded for file in files}
    steps = tuple(
        replace(step, outputs=_hashed(step.outputs, f"steps/{number}", by_slot))
        for number, step in enumerate(purchase.steps)
    )
    return Fetched(_hashed(purchase.outputs, "result", by_slot), steps)


def _hashed(
    outputs: tuple[Output, ...], family: str, by_slot: Mapping[str, Downloaded]
) -> tuple[Output, ...]:
    return tuple(
        replace(output, sha256=downloaded.sha256, bytes=downloaded.bytes)
        if (downloaded := by_slot.get(f"{family}/{index}")) is not None
        else output
        for index, output in enumerate(outputs)
    )


def _changed(purchase: Purchase, files: tuple[FetchedFile, ...]) -> FetchedFile | None:
    """A file that was fetched once and is now another: what was bought is known by its hash."""
    before = {file.slot: file.output.sha256 for file in named(purchase, "", steps=True)}
    differs = (each for each in files if before.get(each.target.slot) not in (None, each.downloaded.sha256))
    return next(differs, None)

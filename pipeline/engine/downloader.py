"""Fetches the files of what was made and puts them in their places, each repeated as often as it takes."""

from concurrent.futures import Future
from pathlib import Path

from pipeline.artifacts.file_names import named
from pipeline.engine import backoff
from pipeline.engine.fetching import Landed, Target, fetch, fetched_event
from pipeline.engine.in_flight import InFlight
from pipeline.engine.tracked import TrackedPurchase
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import ExitCode, PipelineError, Unfinished
from pipeline.providers.base import DownloadFailed, VendorError
from pipeline.purchases import Purchase, Status, WorkflowId

# Failures in a row before this run leaves the files to the next one.
PATIENCE = 5


class Downloader:
    """Brings home what has succeeded."""

    def __init__(self, workplace: Workplace, in_flight: InFlight) -> None:
        self._at = workplace
        self._traffic = in_flight

    def fetch(self, tracked: TrackedPurchase) -> None:
        """Fetch its files, and put them in their places."""
        try:
            targets = tuple(self._targets(tracked.purchase))
        except (Unfinished, OSError, UnicodeError) as error:
            self._blocked(tracked, str(error))
            return
        self._at.calls.send(
            self._at.executor,
            lambda future: self._fetched(tracked, future),
            fetch,
            self._at.provider,
            tracked.purchase.workflow_id or WorkflowId(""),
            targets,
            tracked.latest,
        )

    def _targets(self, purchase: Purchase) -> list[Target]:
        stem, steps = self._at.served_jobs.stem(purchase)
        return [
            Target(file.slot, file.path, self._fresh(purchase, file.path, file.slot))
            for file in named(purchase, stem, steps)
        ]

    def _fresh(self, purchase: Purchase, path: str, slot: str) -> Path:
        target = self._at.outputs.target(path)
        return target.with_name(f".{purchase.id}-{slot.replace('/', '-')}{target.suffix}")

    def _fetched(self, tracked: TrackedPurchase, future: "Future[tuple[Landed, ...]]") -> None:
        answer = outcome(future)
        if isinstance(answer, DownloadFailed) and answer.lasting:
            self._traffic.leave(tracked, str(answer))
        elif isinstance(answer, VendorError):
            self._fetch_failed(tracked, answer)
        elif isinstance(answer, PipelineError):
            raise answer
        else:
            self._settle(tracked, answer)

    def _fetch_failed(self, tracked: TrackedPurchase, error: VendorError) -> None:
        tracked.attempts += 1
        tracked.latest = None  # its urls may have expired
        if tracked.attempts >= PATIENCE or (error.after or 0.0) > tracked.patience:
            self._traffic.leave(tracked, f"its files could not be fetched ({error})")
        else:
            self._traffic.schedule(tracked, backoff.backoff(tracked.attempts, self._at.rng, error.after))

    def _settle(self, tracked: TrackedPurchase, landed: tuple[Landed, ...]) -> None:
        purchase = tracked.purchase
        if other := _unlike(purchase, landed):
            for each in landed:
                each.target.fresh.unlink(missing_ok=True)
            self._traffic.leave(
                tracked, f"the vendor's {other.target.slot} is not the file that was fetched before"
            )
            return
        try:
            for each in landed:
                target = each.target
                self._at.outputs.settle(
                    target.fresh, target.path, purchase.id, target.slot, each.fetched.sha256
                )
        except (Unfinished, OSError, UnicodeError) as error:
            self._blocked(tracked, str(error))
            return
        self._traffic.land(tracked)
        if purchase.status is Status.SUCCEEDED:
            self._at.journal.record(purchase.id, fetched_event(purchase, landed), self._copy)
        else:
            self._copy(purchase)

    def _copy(self, purchase: Purchase) -> None:
        """The files are here: each further job that the purchase serves gets its own."""
        jobs = self._at.served_jobs.of(purchase.id)
        taken = {
            file.path: file.output.sha256 for job in jobs for file in named(purchase, job.path, job.steps)
        }
        for job in jobs:
            try:
                self._at.outputs.put(job, purchase, taken)
            except PipelineError as error:
                self._at.report.blocked[job.key] = str(error)
                self._at.report.stop(ExitCode.UNFINISHED, str(error))
            else:
                self._at.reporter.tell(job.key, "done")

    def _blocked(self, tracked: TrackedPurchase, why: str) -> None:
        self._traffic.land(tracked)
        for key in self._at.served_jobs.keys(tracked.purchase):
            self._at.report.blocked[key] = why
        self._at.report.stop(ExitCode.UNFINISHED, why)


def _unlike(purchase: Purchase, landed: tuple[Landed, ...]) -> Landed | None:
    """A file that was fetched once and is now another: what was bought is known by its hash."""
    known = {file.slot: file.output.sha256 for file in named(purchase, "", steps=True)}
    differs = (each for each in landed if known.get(each.target.slot) not in (None, each.fetched.sha256))
    return next(differs, None)

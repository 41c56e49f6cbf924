"""Fetches the files of what was made and puts them in their places, each repeated as often as it takes."""

from concurrent.futures import Future
from pathlib import Path

from pipeline.artifacts.names import named
from pipeline.engine import pacing
from pipeline.engine.fetching import Landed, Target, fetch, fetched_event
from pipeline.engine.flights import Flight
from pipeline.engine.traffic import Traffic
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import ExitCode, PipelineError, Unfinished
from pipeline.providers.base import DownloadFailed, VendorError
from pipeline.purchases import Purchase, Status

# Failures in a row before this run leaves the files to the next one.
PATIENCE = 5


class Landing:
    """Brings home what has succeeded."""

    def __init__(self, workplace: Workplace, traffic: Traffic) -> None:
        self._at = workplace
        self._traffic = traffic

    def fetch(self, flight: Flight) -> None:
        """Fetch its files, and put them in their places."""
        try:
            targets = tuple(self._targets(flight.purchase))
        except (Unfinished, OSError, UnicodeError) as error:
            self._blocked(flight, str(error))
            return
        self._at.air.send(
            self._at.executor,
            lambda future: self._fetched(flight, future),
            fetch,
            self._at.provider,
            flight.purchase.workflow_id or "",
            targets,
            flight.latest,
        )

    def _targets(self, purchase: Purchase) -> list[Target]:
        stem, steps = self._at.customers.stem(purchase)
        return [
            Target(file.slot, file.path, self._fresh(purchase, file.path, file.slot))
            for file in named(purchase, stem, steps)
        ]

    def _fresh(self, purchase: Purchase, path: str, slot: str) -> Path:
        target = self._at.shelf.target(path)
        return target.with_name(f".{purchase.id}-{slot.replace('/', '-')}{target.suffix}")

    def _fetched(self, flight: Flight, future: "Future[tuple[Landed, ...]]") -> None:
        answer = outcome(future)
        if isinstance(answer, DownloadFailed) and answer.lasting:
            self._traffic.leave(flight, str(answer))
        elif isinstance(answer, VendorError):
            self._fetch_failed(flight, answer)
        elif isinstance(answer, PipelineError):
            raise answer
        else:
            self._settle(flight, answer)

    def _fetch_failed(self, flight: Flight, error: VendorError) -> None:
        flight.attempts += 1
        flight.latest = None  # its urls may have expired
        if flight.attempts >= PATIENCE or (error.after or 0.0) > flight.patience:
            self._traffic.leave(flight, f"its files could not be fetched ({error})")
        else:
            self._traffic.schedule(flight, pacing.backoff(flight.attempts, self._at.rng, error.after))

    def _settle(self, flight: Flight, landed: tuple[Landed, ...]) -> None:
        purchase = flight.purchase
        if other := _unlike(purchase, landed):
            for each in landed:
                each.target.fresh.unlink(missing_ok=True)
            self._traffic.leave(
                flight, f"the vendor's {other.target.slot} is not the file that was fetched before"
            )
            return
        try:
            for each in landed:
                target = each.target
                self._at.shelf.settle(
                    target.fresh, target.path, purchase.id, target.slot, each.fetched.sha256
                )
        except (Unfinished, OSError, UnicodeError) as error:
            self._blocked(flight, str(error))
            return
        self._traffic.land(flight)
        if purchase.status is Status.SUCCEEDED:
            self._at.books.record(purchase.id, fetched_event(purchase, landed), self._copy)
        else:
            self._copy(purchase)

    def _copy(self, purchase: Purchase) -> None:
        """The files are here: each further job that the purchase serves gets its own."""
        jobs = self._at.customers.of(purchase.id)
        taken = {
            file.path: file.output.sha256 for job in jobs for file in named(purchase, job.path, job.steps)
        }
        for job in jobs:
            try:
                self._at.shelf.put(job, purchase, taken)
            except PipelineError as error:
                self._at.report.blocked[job.name] = str(error)
                self._at.report.stop(ExitCode.UNFINISHED, str(error))
            else:
                self._at.reporter.tell(job.name, "done")

    def _blocked(self, flight: Flight, why: str) -> None:
        self._traffic.land(flight)
        for key in self._at.customers.keys(flight.purchase):
            self._at.report.blocked[key] = why
        self._at.report.stop(ExitCode.UNFINISHED, why)


def _unlike(purchase: Purchase, landed: tuple[Landed, ...]) -> Landed | None:
    """A file that was fetched once and is now another: what was bought is known by its hash."""
    known = {file.slot: file.output.sha256 for file in named(purchase, "", steps=True)}
    differs = (each for each in landed if known.get(each.target.slot) not in (None, each.fetched.sha256))
    return next(differs, None)

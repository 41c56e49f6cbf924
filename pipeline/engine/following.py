"""Follows what is bought to its end: polls, then fetches the files, each repeated as often as it takes."""

import heapq
import itertools
from concurrent.futures import Future
from pathlib import Path

from pipeline.artifacts.names import named
from pipeline.engine import pacing
from pipeline.engine.fetching import Landed, Target, fetch, fetched_event
from pipeline.engine.flights import Flight
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import ExitCode, PipelineError, Unfinished, printable
from pipeline.planning.planner import last_sent
from pipeline.providers.base import DownloadFailed, NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Purchase, Status
from pipeline.state.machine import Disowned, Finished

# Failures in a row before this run leaves a workflow, or a file, to the next one.
POLL_PATIENCE = 12
DOWNLOAD_PATIENCE = 5
DEFAULT_TIMEOUT = 3600.0


def poll(provider: Provider, workflow_id: str) -> Workflow:
    """Ask for one workflow."""
    return provider.get(workflow_id)


class Following:
    """The purchases under way, and when each is due. `ended` is told of each that succeeded or failed."""

    def __init__(self, workplace: Workplace, durations: dict[str, float]) -> None:
        self._at = workplace
        self._durations = durations
        self._flights: dict[str, Flight] = {}
        self._running: set[str] = set()
        self._due: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self.succeeded: list[Purchase] = []
        self.failed: list[Purchase] = []

    @property
    def in_flight(self) -> int:
        """How many workflows are bought and not ended."""
        return len(self._running)

    def follow(self, purchase: Purchase, *, bought_here: bool = False) -> None:
        """Watch a purchase: a new one is given time, one from an earlier run is asked for at once."""
        if purchase.workflow_id is None:
            return
        now = self._at.clock.monotonic()
        jobs = self._at.customers.of(purchase.id)
        patience = max((job.timeout for job in jobs), default=DEFAULT_TIMEOUT)
        flight = Flight(purchase, now, now + patience, bought_here)
        self._flights[purchase.id] = flight
        if purchase.status is Status.SUBMITTED:
            self._running.add(purchase.id)
        self._schedule(flight, self._pause(flight, now) if bought_here else 0.0)

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        while self._due and self._due[0][2] not in self._flights:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def hand_out(self) -> bool:
        """Hand out the next call that is due; False if none is."""
        at = self.due_at()
        if at is None or at > self._at.clock.monotonic():
            return False
        flight = self._flights[heapq.heappop(self._due)[2]]
        if flight.purchase.status in {Status.SUBMITTED, Status.FAILED}:
            self._poll(flight)
        else:
            self._fetch(flight)
        return True

    def _schedule(self, flight: Flight, seconds: float) -> None:
        at = self._at.clock.monotonic() + seconds
        heapq.heappush(self._due, (at, next(self._order), flight.purchase.id))

    def _pause(self, flight: Flight, now: float) -> float:
        typical = self._durations.get(flight.purchase.template_id)
        ceiling = self._at.settings.poll_ceiling
        pause = pacing.next_poll(flight.elapsed(now), flight.percent, typical, ceiling, self._at.rng)
        # The last look is taken when the time is up, not one pause earlier.
        return min(pause, max(0.0, flight.deadline - now))

    def _land(self, flight: Flight) -> None:
        """This run has nothing more to do for it."""
        self._flights.pop(flight.purchase.id, None)
        self._running.discard(flight.purchase.id)

    def _leave(self, flight: Flight, why: str) -> None:
        """Leave a purchase to the next run: nothing is lost, it stays as it is on disk."""
        self._land(flight)
        for key in self._at.customers.keys(flight.purchase):
            self._at.report.stop(ExitCode.UNFINISHED, f"{key}: {why}; run again to go on")

    # Polls

    def _poll(self, flight: Flight) -> None:
        self._at.air.send(
            self._at.executor,
            lambda future: self._polled(flight, future),
            poll,
            self._at.provider,
            flight.purchase.workflow_id or "",
        )

    def _polled(self, flight: Flight, future: "Future[Workflow]") -> None:
        answer = outcome(future)
        now = self._at.clock.monotonic()
        if isinstance(answer, Workflow):
            self._warn_of_unknown(flight, answer)
            event = self._disowned(flight.purchase, answer) or flight.told(answer, now)
        elif isinstance(answer, NotFound):
            event = flight.denied(now)
        elif isinstance(answer, VendorError):
            self._poll_failed(flight, answer)
            return
        else:
            raise answer
        if flight.purchase.status is Status.FAILED and not isinstance(event, Finished):
            # It was asked about again, and has failed still.
            self._land(flight)
        elif event is not None:
            self._at.books.record(flight.purchase.id, event, lambda after: self._told(flight, after))
        else:
            self._still_runs(flight, now)

    def _disowned(self, purchase: Purchase, workflow: Workflow) -> Disowned | None:
        """Whether the vendor named a workflow that is another purchase's: its title tells by whom it was sent.

        That the title is another means nothing, as people may change it at the vendor.
        """
        if workflow.title == last_sent(purchase).title or purchase.id in workflow.title:
            return None
        owner = self._at.books.named_in(workflow.title)
        if owner is None:
            return None
        named = f"workflow {purchase.workflow_id}, whose title names purchase {owner}"
        return Disowned(f"the vendor's answer to its create was {named}")

    def _still_runs(self, flight: Flight, now: float) -> None:
        if now >= flight.deadline:
            self._leave(flight, "still running when its time was up")
        else:
            self._schedule(flight, self._pause(flight, now))

    def _warn_of_unknown(self, flight: Flight, workflow: Workflow) -> None:
        if not workflow.known_status and not flight.warned:
            flight.warned = True
            self._at.reporter.warn(
                f"{flight.purchase.key}: unknown status '{workflow.status}', taken as running"
            )

    def _poll_failed(self, flight: Flight, error: VendorError) -> None:
        flight.attempts += 1
        # It is not asked sooner than it wants, nor waited for longer than there is time.
        next_at = self._at.clock.monotonic() + (error.after or 0.0)
        if flight.attempts >= POLL_PATIENCE or next_at >= flight.deadline:
            self._leave(flight, f"the vendor is out of reach ({error})")
        else:
            self._schedule(flight, pacing.backoff(flight.attempts, self._at.rng, error.after))

    def _told(self, flight: Flight, after: Purchase) -> None:
        """What the vendor told is on disk."""
        flight.purchase = after
        now = self._at.clock.monotonic()
        if after.status is Status.SUBMITTED:
            self._still_runs(flight, now)
            return
        self._running.discard(after.id)
        if after.status is Status.ATTENTION:
            self._land(flight)
            self._warn_of_attention(after)
        elif after.status is Status.SUCCEEDED:
            if flight.bought_here:
                self._at.store.learn(after.template_id, flight.elapsed(now))
            self.succeeded.append(after)
            if self._at.settings.download:
                self._schedule(flight, 0.0)
            else:
                self._land(flight)
        else:
            self._land(flight)
            self.failed.append(after)

    def _warn_of_attention(self, purchase: Purchase) -> None:
        for key in self._at.customers.keys(purchase):
            self._at.reporter.warn(
                f"{key}: {printable(purchase.error or '')}; it is not sent again, `pipeline resolve` settles it"
            )

    # Downloads

    def _fetch(self, flight: Flight) -> None:
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
            self._leave(flight, str(answer))
        elif isinstance(answer, VendorError):
            self._fetch_failed(flight, answer)
        elif isinstance(answer, PipelineError):
            raise answer
        else:
            self._settle(flight, answer)

    def _fetch_failed(self, flight: Flight, error: VendorError) -> None:
        flight.attempts += 1
        flight.latest = None  # its urls may have expired
        if flight.attempts >= DOWNLOAD_PATIENCE or (error.after or 0.0) > flight.patience:
            self._leave(flight, f"its files could not be fetched ({error})")
        else:
            self._schedule(flight, pacing.backoff(flight.attempts, self._at.rng, error.after))

    def _settle(self, flight: Flight, landed: tuple[Landed, ...]) -> None:
        purchase = flight.purchase
        if other := _unlike(purchase, landed):
            for each in landed:
                each.target.fresh.unlink(missing_ok=True)
            self._leave(flight, f"the vendor's {other.target.slot} is not the file that was fetched before")
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
        self._land(flight)
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
        self._land(flight)
        for key in self._at.customers.keys(flight.purchase):
            self._at.report.blocked[key] = why
        self._at.report.stop(ExitCode.UNFINISHED, why)


def _unlike(purchase: Purchase, landed: tuple[Landed, ...]) -> Landed | None:
    """A file that was fetched once and is now another: what was bought is known by its hash."""
    known = {file.slot: file.output.sha256 for file in named(purchase, "", steps=True)}
    differs = (each for each in landed if known.get(each.target.slot) not in (None, each.fetched.sha256))
    return next(differs, None)

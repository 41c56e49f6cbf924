"""Tracks the purchases under way: which they are, how many there may be, and when each is polled next.

Only this module decides when a workflow is polled: by how long its template takes, by its progress, and by what the
vendor asks for.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.engine.calls import Clock, backoff
from pipeline.engine.durations import Durations, Expectation, pause, projected
from pipeline.errors import ExitCode
from pipeline.purchases import Purchase, PurchaseId, Status

if TYPE_CHECKING:
    from pipeline.engine.reporter import RunReport
    from pipeline.engine.served_jobs import ServedJobs
    from pipeline.providers.base import Workflow

# Seconds that a run has for a purchase that serves no job.
DEFAULT_TIMEOUT = 3600.0
# The factor by which polls are slower if the vendor calls a webhook.
SLOWER_WITH_WEBHOOK = 4.0
# The least seconds between two polls of one workflow that webhook calls trigger.
SECONDS_BETWEEN_HINTS = 1.0


@dataclass(slots=True)
class TrackedPurchase:
    """What the coordinator knows of one purchase under way; times are monotonic seconds.

    `since` is when this run first saw it, `deadline` when the run stops waiting for it. `attempts` counts failures in
    a row, `faults` refusals and faults of the provider itself. `percent` is the furthest progress reported so far, at
    `percent_at`; `first_percent` is the progress when it was first seen. `latest` is the response that ended it, with
    complete urls, which are never stored.
    `has_webhook`: the vendor calls when it ends. `entry` identifies its next call in the schedule, at `due`; None
    while a call is under way. `poll_requested`: the vendor called during that call. A poll that a webhook call
    triggers waits until `hints_from`. `without_result` says so of a workflow that the vendor calls finished.
    """

    purchase: Purchase
    since: float
    deadline: float
    bought_here: bool = False
    attempts: int = 0
    faults: int = 0
    not_found: int = 0
    not_found_since: float = 0.0
    empty_since: float | None = None
    without_result: str = ""
    percent: float = 0.0
    percent_at: float = 0.0
    first_percent: float | None = None
    latest: Workflow | None = field(default=None, repr=False)
    warned: bool = False
    has_webhook: bool = False
    entry: int | None = None
    due: float = 0.0
    poll_requested: bool = False
    hints_from: float = 0.0

    @property
    def timeout(self) -> float:
        """Seconds that this run has for it."""
        return self.deadline - self.since

    def elapsed(self, now: float) -> float:
        """Seconds since this run first saw it."""
        return now - self.since

    def stop_waiting(self, now: float) -> None:
        """Leave it to a later run: `poll_again` defers it instead of scheduling a poll."""
        self.deadline = now

    def note_progress(self, percent: float, now: float) -> None:
        """Record the progress that the vendor reported; if it decreases, the furthest counts."""
        if self.first_percent is None:
            self.first_percent = 0.0 if self.bought_here else percent
            self.percent = self.first_percent
        if percent > self.percent:
            self.percent, self.percent_at = percent, now

    def projected(self) -> Expectation | None:
        """The estimate of when it ends, from the progress since it was first seen."""
        first = self.first_percent or 0.0
        if first >= 100.0:
            return None
        return projected(self.percent_at - self.since, (self.percent - first) / (100.0 - first))


@dataclass(kw_only=True, eq=False, slots=True)
class InFlight:
    """The purchases that this run follows; a removed one is not polled or downloaded again in this run.

    At most `limit` workflows run at once. A create holds a reservation from its preparation until its outcome is
    known.
    """

    clock: Clock
    rng: random.Random
    limit: int
    max_poll_interval: float
    durations: Durations
    served_jobs: ServedJobs
    report: RunReport

    _tracked: dict[PurchaseId, TrackedPurchase] = field(default_factory=dict, init=False)
    _running: set[PurchaseId] = field(default_factory=set, init=False)
    _probes: dict[str, PurchaseId] = field(default_factory=dict, init=False)
    _reserved: int = field(default=0, init=False)
    _due: list[tuple[float, int, PurchaseId]] = field(default_factory=list, init=False)
    _sequence: itertools.count[int] = field(default_factory=itertools.count, init=False)

    # Number in flight

    @property
    def is_full(self) -> bool:
        """Whether no further workflow may be bought now."""
        return len(self._running) + self._reserved >= self.limit

    def reserve(self) -> None:
        """Reserve a place for a workflow that is about to be bought."""
        self._reserved += 1

    def release(self, number: int = 1) -> None:
        """Release reservations of creates that are followed by now, or were not bought."""
        self._reserved -= number

    # Tracking

    def follow(self, purchase: Purchase, *, bought_here: bool = False, has_webhook: bool = False) -> None:
        """Start to follow a purchase: a new one is polled after a pause, one from an earlier run immediately."""
        if purchase.workflow_id is None:
            return
        now = self.clock.monotonic()
        deadline = now + self._timeout(purchase.id)
        tracked = TrackedPurchase(
            purchase, since=now, deadline=deadline, bought_here=bought_here, has_webhook=has_webhook
        )
        self._tracked[purchase.id] = tracked
        if purchase.status is Status.SUBMITTED:
            self._running.add(purchase.id)
        self.schedule(tracked, self._pause(tracked, now) if bought_here else 0.0)

    def _timeout(self, purchase_id: PurchaseId) -> float:
        return max((job.timeout for job in self.served_jobs.of(purchase_id)), default=DEFAULT_TIMEOUT)

    def serves_another(self, purchase_id: PurchaseId) -> None:
        """Follow a purchase for as long as the jobs allow that it serves by now."""
        tracked = self._tracked.get(purchase_id)
        if tracked is not None:
            tracked.deadline = tracked.since + self._timeout(purchase_id)

    def is_polled(self, purchase_id: PurchaseId) -> bool:
        """Whether the workflow of a purchase is polled until it ends. Callable from any thread."""
        return purchase_id in self._running

    def failed_fetches(self, purchase_id: PurchaseId) -> int:
        """How often in a row its files could not be fetched; 0 if this run does not try again."""
        return self._tracked[purchase_id].attempts if self.is_to_be_fetched(purchase_id) else 0

    def is_to_be_fetched(self, purchase_id: PurchaseId) -> bool:
        """Whether this run is going to fetch its files, or is about to."""
        tracked = self._tracked.get(purchase_id)
        return tracked is not None and tracked.purchase.status is Status.SUCCEEDED

    def ended(self, tracked: TrackedPurchase) -> None:
        """Record that its workflow has ended at the vendor."""
        self._running.discard(tracked.purchase.id)
        template_id = tracked.purchase.template_id
        if self._probes.get(template_id) == tracked.purchase.id:
            del self._probes[template_id]
            self._reschedule_webhook_polls(template_id)

    def remove(self, tracked: TrackedPurchase) -> None:
        """Stop following a purchase for which this run has nothing more to do."""
        self._tracked.pop(tracked.purchase.id, None)
        self.ended(tracked)

    def defer(self, tracked: TrackedPurchase, why: str, advice: str = "run again to continue") -> None:
        """Leave a purchase to the next run; nothing is lost, as its record stays as it is."""
        self.remove(tracked)
        for name in self.served_jobs.names(tracked.purchase):
            self.report.add_reason(ExitCode.UNFINISHED, f"{name}: {why}; {advice}")

    def ages(self) -> Iterator[tuple[str, float]]:
        """Template and age in seconds of each running workflow; one from an earlier run ages from its purchase."""
        now, today = self.clock.monotonic(), self.clock.now()
        for purchase_id in self._running:
            tracked = self._tracked[purchase_id]
            age = tracked.elapsed(now)
            if not tracked.bought_here:
                age = max(age, recorded_age(tracked.purchase.bought_at, today))
            yield tracked.purchase.template_id, age

    # Schedule

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        while self._due and not self._is_next(*self._due[0][1:]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def next_due(self) -> TrackedPurchase | None:
        """Take the next purchase whose call is due now from the schedule, if there is one."""
        at = self.due_at()
        if at is None or at > self.clock.monotonic():
            return None
        tracked = self._tracked[heapq.heappop(self._due)[2]]
        tracked.entry = None
        return tracked

    def _is_next(self, entry: int, purchase_id: PurchaseId) -> bool:
        """Whether an entry of the schedule is still valid: a later entry for the same purchase replaces it."""
        tracked = self._tracked.get(purchase_id)
        return tracked is not None and tracked.entry == entry

    def schedule(self, tracked: TrackedPurchase, seconds: float) -> None:
        """Schedule its next call in `seconds`."""
        tracked.due = self.clock.monotonic() + seconds
        tracked.entry = next(self._sequence)
        heapq.heappush(self._due, (tracked.due, tracked.entry, tracked.purchase.id))

    def poll_now(self, purchase_id: PurchaseId) -> None:
        """Poll a purchase because the vendor called: now, but at most once a second, and never during a backoff."""
        tracked = self._tracked.get(purchase_id)
        if tracked is None or purchase_id not in self._running or tracked.attempts:
            return
        if tracked.entry is None:
            # The poll under way may have been answered before the workflow ended.
            tracked.poll_requested = True
            return
        now = self.clock.monotonic()
        at = max(now, tracked.hints_from)
        if at < tracked.due:
            tracked.hints_from = at + SECONDS_BETWEEN_HINTS
            self.schedule(tracked, at - now)

    def poll_again(self, tracked: TrackedPurchase) -> None:
        """Schedule the next poll of a workflow that still runs, or defer it at its deadline."""
        now = self.clock.monotonic()
        self._note_result(tracked)
        if now >= tracked.deadline:
            self.defer(tracked, tracked.without_result or "still running at its timeout")
        else:
            if tracked.bought_here:
                self.durations.note_running(tracked.purchase.template_id, tracked.elapsed(now))
            self.schedule(tracked, self._pause(tracked, now))
            if tracked.poll_requested:
                tracked.poll_requested = False
                self.poll_now(tracked.purchase.id)

    def _note_result(self, tracked: TrackedPurchase) -> None:
        if tracked.without_result:
            self.report.without_result.update(self.served_jobs.keys(tracked.purchase))
        elif self.report.without_result:
            self.report.without_result.difference_update(self.served_jobs.keys(tracked.purchase))

    def back_off(self, tracked: TrackedPurchase, after: float | None) -> None:
        """Schedule a failed call again after a backoff, no sooner than the vendor asked."""
        self.schedule(tracked, backoff(tracked.attempts, self.rng, after))

    def learn(self, tracked: TrackedPurchase, now: float) -> None:
        """Record how long its workflow took to succeed."""
        template_id = tracked.purchase.template_id
        is_first = self.durations.expectation(template_id) is None
        self.durations.learn(template_id, tracked.elapsed(now))
        if is_first:
            self._reschedule_webhook_polls(template_id)

    def _pause(self, tracked: TrackedPurchase, now: float) -> float:
        age = tracked.elapsed(now)
        template_id = tracked.purchase.template_id
        longest_running = self.durations.longest_running(template_id) if tracked.bought_here else 0.0
        expected = self._expectation(tracked, age)
        seconds = pause(age, expected, longest_running)
        if age > 0.0:
            seconds = min(seconds, self.max_poll_interval)
        if tracked.has_webhook:
            seconds = self._slower(tracked, seconds, is_known=expected is not None)
        # Jitter spreads the polls of many workflows.
        seconds *= self.rng.uniform(0.9, 1.0)
        # The last poll is at the deadline, not one pause before it.
        return min(seconds, max(0.0, tracked.deadline - now))

    def _slower(self, tracked: TrackedPurchase, seconds: float, *, is_known: bool) -> float:
        """The longer pause with a webhook, where polling is only a fallback for lost calls.

        While a template's duration is unknown, one of its workflows is polled more often to find it out for all.
        """
        purchase = tracked.purchase
        if not is_known and self._probes.setdefault(purchase.template_id, purchase.id) != purchase.id:
            seconds = self.max_poll_interval
        return seconds * SLOWER_WITH_WEBHOOK

    def _reschedule_webhook_polls(self, template_id: str) -> None:
        """Reschedule the workflows of a template that wait for a webhook, after a change of its estimate."""
        now = self.clock.monotonic()
        for purchase_id in self._running:
            tracked = self._tracked[purchase_id]
            is_waiting = tracked.has_webhook and tracked.entry is not None and not tracked.attempts
            if is_waiting and tracked.purchase.template_id == template_id:
                seconds = self._pause(tracked, now)
                if now + seconds < tracked.due:
                    self.schedule(tracked, seconds)

    def _expectation(self, tracked: TrackedPurchase, age: float) -> Expectation | None:
        # The age of a workflow from an earlier run is unknown here.
        usual = self.durations.expectation(tracked.purchase.template_id) if tracked.bought_here else None
        by_progress = tracked.projected()
        if by_progress is None or by_progress.is_outlived(age):
            return usual
        return by_progress if usual is None else usual.joined(by_progress)


def recorded_age(bought_at: str, now: str) -> float:
    """Seconds from a recorded time to `now`; 0 if either is not a valid time, or the recorded one is later."""
    try:
        age = datetime.fromisoformat(now) - datetime.fromisoformat(bought_at)
        return max(0.0, age.total_seconds())
    except (ValueError, TypeError):
        return 0.0

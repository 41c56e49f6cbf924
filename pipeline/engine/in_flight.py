"""The purchases under way: which they are, how many there may be, and when each is looked at next.

Nothing else decides when a workflow is polled: by how long its template takes, by its progress, and by what
the vendor asks for.
"""

import heapq
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.engine.calls import Clock, backoff
from pipeline.engine.reporter import RunReport
from pipeline.engine.served_jobs import ServedJobs
from pipeline.errors import ExitCode
from pipeline.providers.base import Workflow
from pipeline.purchases import Purchase, PurchaseId, Status

# Seconds between two polls of one workflow, at the least; `--poll-interval` is the most.
MIN_POLL_INTERVAL = 0.25
# Seconds that a run has for a purchase that serves no job.
DEFAULT_TIMEOUT = 3600.0


@dataclass(slots=True)
class TrackedPurchase:
    """What the coordinator knows of one purchase that is under way; times are monotonic seconds.

    `since` is when this run first saw it, `deadline` when it stops waiting for it. `attempts` are failures in a
    row. `latest` is the answer that ended it, with whole urls, which are never stored.
    """

    purchase: Purchase
    since: float
    deadline: float
    bought_here: bool = False
    attempts: int = 0
    not_found: int = 0
    not_found_since: float = 0.0
    empty_since: float | None = None
    percent: float | None = None
    latest: Workflow | None = field(default=None, repr=False)
    warned: bool = False

    @property
    def timeout(self) -> float:
        """Seconds that this run has for it."""
        return self.deadline - self.since

    def elapsed(self, now: float) -> float:
        """Seconds since this run first saw it."""
        return now - self.since


@dataclass(kw_only=True, eq=False, slots=True)
class InFlight:
    """The purchases that this run follows; one that is removed is not looked at again in this run.

    At most `limit` workflows run at once. A create counts from when it is prepared: it has a reservation until
    its outcome is known.
    """

    clock: Clock
    rng: random.Random
    limit: int
    max_poll_interval: float
    durations: Mapping[str, float]
    served_jobs: ServedJobs
    report: RunReport

    _tracked: dict[PurchaseId, TrackedPurchase] = field(default_factory=dict, init=False)
    _running: set[PurchaseId] = field(default_factory=set, init=False)
    _reserved: int = field(default=0, init=False)
    _due: list[tuple[float, int, PurchaseId]] = field(default_factory=list, init=False)
    _sequence: "itertools.count[int]" = field(default_factory=itertools.count, init=False)

    # How many

    @property
    def is_full(self) -> bool:
        """Whether no further workflow may be bought now."""
        return len(self._running) + self._reserved >= self.limit

    def reserve(self) -> None:
        """Count a workflow that is about to be bought."""
        self._reserved += 1

    def release(self, number: int = 1) -> None:
        """Count them no more: they are followed by now, or were not bought."""
        self._reserved -= number

    # Which

    def follow(self, purchase: Purchase, *, bought_here: bool = False) -> None:
        """Take up a purchase: a new one is given time, one from an earlier run is asked for at once."""
        if purchase.workflow_id is None:
            return
        now = self.clock.monotonic()
        timeout = max((job.timeout for job in self.served_jobs.of(purchase.id)), default=DEFAULT_TIMEOUT)
        tracked = TrackedPurchase(purchase, since=now, deadline=now + timeout, bought_here=bought_here)
        self._tracked[purchase.id] = tracked
        if purchase.status is Status.SUBMITTED:
            self._running.add(purchase.id)
        self.schedule(tracked, self._pause(tracked, now) if bought_here else 0.0)

    def ended(self, tracked: TrackedPurchase) -> None:
        """Its workflow runs no more at the vendor."""
        self._running.discard(tracked.purchase.id)

    def remove(self, tracked: TrackedPurchase) -> None:
        """This run has nothing more to do for it."""
        self._tracked.pop(tracked.purchase.id, None)
        self.ended(tracked)

    def defer(self, tracked: TrackedPurchase, why: str) -> None:
        """Leave a purchase to the next run: nothing is lost, it stays as it is on disk."""
        self.remove(tracked)
        for key in self.served_jobs.keys(tracked.purchase):
            self.report.stop(ExitCode.UNFINISHED, f"{key}: {why}; run again to go on")

    # When

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        while self._due and self._due[0][2] not in self._tracked:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def next_due(self) -> TrackedPurchase | None:
        """The purchase whose call is due now, if there is one; it is due no more."""
        at = self.due_at()
        if at is None or at > self.clock.monotonic():
            return None
        return self._tracked[heapq.heappop(self._due)[2]]

    def schedule(self, tracked: TrackedPurchase, seconds: float) -> None:
        """Have its next call made in so many seconds."""
        at = self.clock.monotonic() + seconds
        heapq.heappush(self._due, (at, next(self._sequence), tracked.purchase.id))

    def poll_again(self, tracked: TrackedPurchase) -> None:
        """It still runs: have it polled again, unless its time is up."""
        now = self.clock.monotonic()
        if now >= tracked.deadline:
            self.defer(tracked, "still running when its time was up")
        else:
            self.schedule(tracked, self._pause(tracked, now))

    def back_off(self, tracked: TrackedPurchase, after: float | None) -> None:
        """Its last call failed: have it made again after a backoff, no sooner than the vendor asked."""
        self.schedule(tracked, backoff(tracked.attempts, self.rng, after))

    def _pause(self, tracked: TrackedPurchase, now: float) -> float:
        pause = poll_pause(
            elapsed=tracked.elapsed(now),
            percent=tracked.percent,
            typical=self.durations.get(tracked.purchase.template_id),
            max_poll_interval=self.max_poll_interval,
            rng=self.rng,
        )
        # The last look is taken when the time is up, not one pause earlier.
        return min(pause, max(0.0, tracked.deadline - now))


def poll_pause(
    *,
    elapsed: float,
    percent: float | None,
    typical: float | None,
    max_poll_interval: float,
    rng: random.Random,
) -> float:
    """Seconds until a workflow that runs for `elapsed` is asked for again.

    Half of what is probably left: by how long its template takes (`typical`), else by its progress, else by
    how long it has run. With jitter, so that many do not ask at once.
    """
    if typical is not None and typical > elapsed:
        left = typical - elapsed
        least = max(MIN_POLL_INTERVAL, typical / 40)
    elif percent is not None and 0 < percent < 100:
        left = elapsed * (100 - percent) / percent
        least = max(MIN_POLL_INTERVAL, elapsed / 20)
    else:
        left = elapsed / 2
        least = MIN_POLL_INTERVAL
    return min(max_poll_interval, max(least, left / 2)) * rng.uniform(0.8, 1.0)

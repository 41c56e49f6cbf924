"""The purchases under way: which they are, and when each is due for its next call."""

import heapq
import itertools

from pipeline.engine.tracked import TrackedPurchase
from pipeline.engine.workplace import Workplace
from pipeline.errors import ExitCode


class InFlight:
    """The flights of a run. One that lands is not looked at again in this run."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace
        self._flights: dict[str, TrackedPurchase] = {}
        self._running: set[str] = set()
        self._due: list[tuple[float, int, str]] = []
        self._order = itertools.count()

    @property
    def running(self) -> int:
        """How many workflows are bought and not ended."""
        return len(self._running)

    def add(self, tracked: TrackedPurchase, *, running: bool) -> None:
        """Take up a flight; `running`: it holds a place among the workflows in flight until it has `ended`."""
        self._flights[tracked.purchase.id] = tracked
        if running:
            self._running.add(tracked.purchase.id)

    def schedule(self, tracked: TrackedPurchase, seconds: float) -> None:
        """Have its next call made in so many seconds."""
        at = self._at.clock.monotonic() + seconds
        heapq.heappush(self._due, (at, next(self._order), tracked.purchase.id))

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        while self._due and self._due[0][2] not in self._flights:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def next_due(self) -> TrackedPurchase | None:
        """The flight whose call is due now, if there is one; it is due no more."""
        at = self.due_at()
        if at is None or at > self._at.clock.monotonic():
            return None
        return self._flights[heapq.heappop(self._due)[2]]

    def ended(self, tracked: TrackedPurchase) -> None:
        """Its workflow runs no more at the vendor."""
        self._running.discard(tracked.purchase.id)

    def land(self, tracked: TrackedPurchase) -> None:
        """This run has nothing more to do for it."""
        self._flights.pop(tracked.purchase.id, None)
        self.ended(tracked)

    def leave(self, tracked: TrackedPurchase, why: str) -> None:
        """Leave a purchase to the next run: nothing is lost, it stays as it is on disk."""
        self.land(tracked)
        for key in self._at.served_jobs.keys(tracked.purchase):
            self._at.report.stop(ExitCode.UNFINISHED, f"{key}: {why}; run again to go on")

"""Follows what is bought to its end: polls, then fetches the files."""

from pipeline.engine.downloader import Downloader
from pipeline.engine.in_flight import InFlight
from pipeline.engine.poller import Poller
from pipeline.engine.tracked import TrackedPurchase
from pipeline.engine.workplace import Workplace
from pipeline.purchases import Purchase, Status

DEFAULT_TIMEOUT = 3600.0


class Tracker:
    """The purchases under way. `succeeded` and `failed` gather those that ended since they were last cleared."""

    def __init__(self, workplace: Workplace, durations: dict[str, float]) -> None:
        self._at = workplace
        self._traffic = InFlight(workplace)
        self._polling = Poller(workplace, self._traffic, durations)
        self._landing = Downloader(workplace, self._traffic)
        self.succeeded = self._polling.succeeded
        self.failed = self._polling.failed

    @property
    def in_flight(self) -> int:
        """How many workflows are bought and not ended."""
        return self._traffic.running

    def follow(self, purchase: Purchase, *, bought_here: bool = False) -> None:
        """Watch a purchase: a new one is given time, one from an earlier run is asked for at once."""
        if purchase.workflow_id is None:
            return
        now = self._at.clock.monotonic()
        jobs = self._at.served_jobs.of(purchase.id)
        patience = max((job.timeout for job in jobs), default=DEFAULT_TIMEOUT)
        tracked = TrackedPurchase(purchase, now, now + patience, bought_here)
        self._traffic.add(tracked, running=purchase.status is Status.SUBMITTED)
        self._traffic.schedule(tracked, self._polling.pause(tracked, now) if bought_here else 0.0)

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        return self._traffic.due_at()

    def hand_out(self) -> bool:
        """Hand out the next call that is due; False if none is."""
        tracked = self._traffic.next_due()
        if tracked is None:
            return False
        if tracked.purchase.status in {Status.SUBMITTED, Status.FAILED}:
            self._polling.ask(tracked)
        else:
            self._landing.fetch(tracked)
        return True

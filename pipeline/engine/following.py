"""Follows what is bought to its end: polls, then fetches the files."""

from pipeline.engine.flights import Flight
from pipeline.engine.landing import Landing
from pipeline.engine.polling import Polling
from pipeline.engine.traffic import Traffic
from pipeline.engine.workplace import Workplace
from pipeline.purchases import Purchase, Status

DEFAULT_TIMEOUT = 3600.0


class Following:
    """The purchases under way. `succeeded` and `failed` gather those that ended since they were last cleared."""

    def __init__(self, workplace: Workplace, durations: dict[str, float]) -> None:
        self._at = workplace
        self._traffic = Traffic(workplace)
        self._polling = Polling(workplace, self._traffic, durations)
        self._landing = Landing(workplace, self._traffic)
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
        jobs = self._at.customers.of(purchase.id)
        patience = max((job.timeout for job in jobs), default=DEFAULT_TIMEOUT)
        flight = Flight(purchase, now, now + patience, bought_here)
        self._traffic.add(flight, running=purchase.status is Status.SUBMITTED)
        self._traffic.schedule(flight, self._polling.pause(flight, now) if bought_here else 0.0)

    def due_at(self) -> float | None:
        """When the next call is due, in monotonic seconds."""
        return self._traffic.due_at()

    def hand_out(self) -> bool:
        """Hand out the next call that is due; False if none is."""
        flight = self._traffic.next_due()
        if flight is None:
            return False
        if flight.purchase.status in {Status.SUBMITTED, Status.FAILED}:
            self._polling.ask(flight)
        else:
            self._landing.fetch(flight)
        return True

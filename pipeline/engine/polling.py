"""Asks how each workflow stands, as often as it takes, and has what it hears written down."""

from concurrent.futures import Future

from pipeline.engine import pacing
from pipeline.engine.flights import Flight
from pipeline.engine.traffic import Traffic
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import printable
from pipeline.planning.planner import last_sent
from pipeline.providers.base import NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Purchase, Status
from pipeline.state.machine import Disowned, Finished

# Failures in a row before this run leaves a workflow to the next one.
PATIENCE = 12


def poll(provider: Provider, workflow_id: str) -> Workflow:
    """Ask for one workflow."""
    return provider.get(workflow_id)


class Polling:
    """Polls flights until they end. `succeeded` and `failed` gather those that did."""

    def __init__(self, workplace: Workplace, traffic: Traffic, durations: dict[str, float]) -> None:
        self._at = workplace
        self._traffic = traffic
        self._durations = durations
        self.succeeded: list[Purchase] = []
        self.failed: list[Purchase] = []

    def pause(self, flight: Flight, now: float) -> float:
        """Seconds until it is to be asked again."""
        typical = self._durations.get(flight.purchase.template_id)
        ceiling = self._at.settings.poll_ceiling
        pause = pacing.next_poll(flight.elapsed(now), flight.percent, typical, ceiling, self._at.rng)
        # The last look is taken when the time is up, not one pause earlier.
        return min(pause, max(0.0, flight.deadline - now))

    def ask(self, flight: Flight) -> None:
        """Ask how it stands."""
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
            self._traffic.land(flight)
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
            self._traffic.leave(flight, "still running when its time was up")
        else:
            self._traffic.schedule(flight, self.pause(flight, now))

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
        if flight.attempts >= PATIENCE or next_at >= flight.deadline:
            self._traffic.leave(flight, f"the vendor is out of reach ({error})")
        else:
            self._traffic.schedule(flight, pacing.backoff(flight.attempts, self._at.rng, error.after))

    def _told(self, flight: Flight, after: Purchase) -> None:
        """What the vendor told is on disk."""
        flight.purchase = after
        now = self._at.clock.monotonic()
        if after.status is Status.SUBMITTED:
            self._still_runs(flight, now)
            return
        self._traffic.ended(flight)
        if after.status is Status.ATTENTION:
            self._traffic.land(flight)
            self._warn_of_attention(after)
        elif after.status is Status.SUCCEEDED:
            if flight.bought_here:
                self._at.store.learn(after.template_id, flight.elapsed(now))
            self.succeeded.append(after)
            if self._at.settings.download:
                self._traffic.schedule(flight, 0.0)
            else:
                self._traffic.land(flight)
        else:
            self._traffic.land(flight)
            self.failed.append(after)

    def _warn_of_attention(self, purchase: Purchase) -> None:
        for key in self._at.customers.keys(purchase):
            self._at.reporter.warn(
                f"{key}: {printable(purchase.error or '')}; it is not sent again, `pipeline resolve` settles it"
            )

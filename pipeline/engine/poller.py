"""Asks how each workflow stands, as often as it takes, and has what it hears written down."""

from concurrent.futures import Future

from pipeline.engine import backoff
from pipeline.engine.in_flight import InFlight
from pipeline.engine.tracked import TrackedPurchase
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import printable
from pipeline.planning.planner import last_sent
from pipeline.providers.base import NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Purchase, Status, WorkflowId
from pipeline.state.store import Caps, Turn
from pipeline.state.transitions import Disowned, Finished

# Failures in a row before this run leaves a workflow to the next one.
PATIENCE = 12


def poll(provider: Provider, workflow_id: WorkflowId) -> Workflow:
    """Ask for one workflow."""
    return provider.get(workflow_id)


class Poller:
    """Polls flights until they end. `succeeded` and `failed` gather those that did."""

    def __init__(self, workplace: Workplace, in_flight: InFlight, durations: dict[str, float]) -> None:
        self._at = workplace
        self._traffic = in_flight
        self._durations = durations
        self.succeeded: list[Purchase] = []
        self.failed: list[Purchase] = []

    def pause(self, tracked: TrackedPurchase, now: float) -> float:
        """Seconds until it is to be asked again."""
        typical = self._durations.get(tracked.purchase.template_id)
        max_interval = self._at.settings.max_poll_interval
        pause = backoff.next_poll(tracked.elapsed(now), tracked.percent, typical, max_interval, self._at.rng)
        # The last look is taken when the time is up, not one pause earlier.
        return min(pause, max(0.0, tracked.deadline - now))

    def ask(self, tracked: TrackedPurchase) -> None:
        """Ask how it stands."""
        self._at.calls.send(
            self._at.executor,
            lambda future: self._polled(tracked, future),
            poll,
            self._at.provider,
            tracked.purchase.workflow_id or WorkflowId(""),
        )

    def _polled(self, tracked: TrackedPurchase, future: "Future[Workflow]") -> None:
        answer = outcome(future)
        now = self._at.clock.monotonic()
        if isinstance(answer, Workflow):
            self._warn_of_unknown(tracked, answer)
            event = self._disowned(tracked.purchase, answer) or tracked.told(answer, now)
        elif isinstance(answer, NotFound):
            event = tracked.denied(now)
        elif isinstance(answer, VendorError):
            self._poll_failed(tracked, answer)
            return
        else:
            raise answer
        if tracked.purchase.status is Status.FAILED and not isinstance(event, Finished):
            # It was asked about again, and has failed still.
            self._traffic.land(tracked)
        elif event is not None:
            self._at.journal.record(tracked.purchase.id, event, lambda after: self._told(tracked, after))
        else:
            self._still_runs(tracked, now)

    def _disowned(self, purchase: Purchase, workflow: Workflow) -> Disowned | None:
        """Whether the vendor named a workflow that is another purchase's: its title tells by whom it was sent.

        That the title is another means nothing, as people may change it at the vendor.
        """
        if workflow.title == last_sent(purchase).title or purchase.id in workflow.title:
            return None
        owner = self._at.journal.named_in(workflow.title)
        if owner is None:
            return None
        named = f"workflow {purchase.workflow_id}, whose title names purchase {owner}"
        return Disowned(f"the vendor's answer to its create was {named}")

    def _still_runs(self, tracked: TrackedPurchase, now: float) -> None:
        if now >= tracked.deadline:
            self._traffic.leave(tracked, "still running when its time was up")
        else:
            self._traffic.schedule(tracked, self.pause(tracked, now))

    def _warn_of_unknown(self, tracked: TrackedPurchase, workflow: Workflow) -> None:
        if not workflow.known_status and not tracked.warned:
            tracked.warned = True
            self._at.reporter.warn(
                f"{tracked.purchase.key}: unknown status '{workflow.status}', taken as running"
            )

    def _poll_failed(self, tracked: TrackedPurchase, error: VendorError) -> None:
        tracked.attempts += 1
        # It is not asked sooner than it wants, nor waited for longer than there is time.
        next_at = self._at.clock.monotonic() + (error.after or 0.0)
        if tracked.attempts >= PATIENCE or next_at >= tracked.deadline:
            self._traffic.leave(tracked, f"the vendor is out of reach ({error})")
        else:
            self._traffic.schedule(tracked, backoff.backoff(tracked.attempts, self._at.rng, error.after))

    def _told(self, tracked: TrackedPurchase, after: Purchase) -> None:
        """What the vendor told is on disk."""
        tracked.purchase = after
        now = self._at.clock.monotonic()
        if after.status is Status.SUBMITTED:
            self._still_runs(tracked, now)
            return
        self._traffic.ended(tracked)
        if after.status is Status.ATTENTION:
            self._traffic.land(tracked)
            self._warn_of_attention(after)
        elif after.status is Status.SUCCEEDED:
            if tracked.bought_here:
                duration = (after.template_id, tracked.elapsed(now))
                self._at.store.commit_turn(Turn(durations=[duration]), Caps())
            self.succeeded.append(after)
            if self._at.settings.download:
                self._traffic.schedule(tracked, 0.0)
            else:
                self._traffic.land(tracked)
        else:
            self._traffic.land(tracked)
            self.failed.append(after)

    def _warn_of_attention(self, purchase: Purchase) -> None:
        for key in self._at.served_jobs.keys(purchase):
            self._at.reporter.warn(
                f"{key}: {printable(purchase.error or '')}; it is not sent again, `pipeline resolve` settles it"
            )

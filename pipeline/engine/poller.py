"""Polls workflows, records their status, and starts the downloads of those that succeeded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine.calls import CallPool, Clock, NoCredit, result_of
from pipeline.engine.identity import others_named
from pipeline.engine.in_flight import InFlight, TrackedPurchase, recorded_age
from pipeline.engine.listing import merged, merged_steps, unusable_file
from pipeline.errors import printable
from pipeline.planning.hints import unknown_warning
from pipeline.providers.base import (
    CallRefused,
    NotFound,
    Progress,
    Provider,
    ProviderFault,
    UnusableAnswer,
    VendorError,
    Workflow,
)
from pipeline.purchases import Purchase, Status, WorkflowId
from pipeline.schemes import without_secrets
from pipeline.state.events import Disowned, Event, Finished, Reported, Vanished, VendorFailed

if TYPE_CHECKING:
    from pipeline.engine.downloader import Downloader
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Reporter
    from pipeline.engine.served_jobs import ServedJobs

# Failures in a row before this run leaves a workflow to the next one.
MAX_POLL_FAILURES = 12
# Refusals, and faults of the provider itself, in a row: an odd answer may be the cause of a few, but no repetition
# mends a mistake.
MAX_FAULTS = 5
# Seconds that a success may lack a usable result before it counts as a failure, or is left to a later run.
EMPTY_RESULT = 300.0
# Seconds after its purchase from which a success is taken without the files whose urls still cannot be used.
INCOMPLETE_RESULT = 86_400.0
# A workflow is lost if it is not found this many times in a row, over at least this many seconds.
NOT_FOUND_TIMES = 3
NOT_FOUND_SECONDS = 600.0


def poll(provider: Provider, workflow_id: WorkflowId) -> Workflow:
    """Get one workflow. A plain function, so that it can be pickled for a worker."""
    return provider.get(workflow_id)


@dataclass(kw_only=True, eq=False, slots=True)
class Poller:
    """Follows the purchases in flight to their end; `on_success` and `on_failure` get each once that is on disk.

    `downloads`: the files of what succeeds in this run are fetched.
    """

    provider: Provider
    calls: CallPool
    clock: Clock
    journal: Journal
    in_flight: InFlight
    served_jobs: ServedJobs
    reporter: Reporter
    downloader: Downloader
    downloads: bool
    on_success: Callable[[Purchase], None]
    on_failure: Callable[[Purchase], None]

    _warned_of_credit: bool = field(default=False, init=False)

    def due_at(self) -> float | None:
        """When the next poll or download is due, in monotonic seconds."""
        return self.in_flight.due_at()

    def start_next(self) -> bool:
        """Start the next poll or download that is due; False if none is."""
        tracked = self.in_flight.next_due()
        if tracked is None:
            return False
        if tracked.purchase.status in {Status.SUBMITTED, Status.FAILED}:
            self._poll(tracked)
        else:
            self.downloader.fetch(tracked)
        return True

    def _poll(self, tracked: TrackedPurchase) -> None:
        workflow_id = tracked.purchase.workflow_id or WorkflowId("")
        self.calls.charge(1)
        self.calls.submit(partial(self._polled, tracked), poll, self.provider, workflow_id)

    def _polled(self, tracked: TrackedPurchase, future: Future[Workflow]) -> None:
        result = result_of(future)
        now = self.clock.monotonic()
        if isinstance(result, Workflow):
            self._warn_of_unknown_status(tracked, result)
            event = self._disowned(tracked.purchase, result) or self._event(tracked, result, now)
        elif isinstance(result, NotFound):
            event = event_for_not_found(tracked, now)
        elif isinstance(result, VendorError):
            self._failed(tracked, result)
            return
        else:
            raise result
        if tracked.purchase.status is Status.FAILED and not isinstance(event, Finished):
            # A recorded failure was polled once more, and is still a failure.
            self.in_flight.remove(tracked)
            self.served_jobs.note(tracked.purchase)
        elif event is not None:
            if isinstance(event, Finished) and tracked.bought_here:
                self.in_flight.learn(tracked, now)
                self.journal.learn(tracked.purchase.template_id, tracked.elapsed(now))
            self.journal.record(tracked.purchase.id, event, partial(self._after_commit, tracked))
        else:
            self.in_flight.poll_again(tracked)

    def _event(self, tracked: TrackedPurchase, workflow: Workflow, now: float) -> Event | None:
        purchase = tracked.purchase
        # Without a result, steps decide nothing.
        with_steps = bool(workflow.result) and self.served_jobs.stem(purchase)[1]
        unusable = unusable_file(workflow, with_steps=with_steps)
        is_old = recorded_age(purchase.bought_at, self.clock.now()) >= INCOMPLETE_RESULT
        return event_for_workflow(tracked, workflow, now, unusable, is_old=is_old)

    def _disowned(self, purchase: Purchase, workflow: Workflow) -> Disowned | None:
        """The event for a workflow whose title or description names another known purchase; else None.

        A different title alone proves nothing, as people may change it at the vendor.
        """
        other = next(iter(others_named(workflow, purchase, self.journal.purchases)), None)
        if other is None:
            return None
        where = "title" if other in workflow.title else "description"
        named = f"workflow {purchase.workflow_id}, whose {where} names purchase {other}"
        return Disowned(f"the vendor's answer to its create was {named}")

    def _warn_of_unknown_status(self, tracked: TrackedPurchase, workflow: Workflow) -> None:
        if not workflow.known_status and not tracked.warned:
            tracked.warned = True
            self.reporter.warn(
                f"{tracked.purchase.key}: unknown status '{workflow.status}', treated as running"
            )

    def _failed(self, tracked: TrackedPurchase, error: VendorError) -> None:
        tracked.attempts += 1
        tracked.faults = tracked.faults + 1 if isinstance(error, CallRefused | ProviderFault) else 0
        is_last = tracked.attempts >= MAX_POLL_FAILURES or tracked.faults >= MAX_FAULTS
        # Respect the vendor's Retry-After, but do not wait beyond the deadline.
        next_at = self.clock.monotonic() + (error.after or 0.0)
        if isinstance(error, NoCredit) and not self._warned_of_credit:
            self._warned_of_credit = True
            self.reporter.warn(f"{error}; what is already bought is followed all the same")
        if is_last or next_at >= tracked.deadline:
            self.in_flight.defer(tracked, _why_not_polled(error))
        else:
            self.in_flight.back_off(tracked, error.after)

    def _after_commit(self, tracked: TrackedPurchase, purchase: Purchase) -> None:
        tracked.purchase = purchase
        if purchase.status is Status.SUBMITTED:
            self.in_flight.poll_again(tracked)
            return
        if purchase.status is Status.SUCCEEDED and self.downloads:
            self.in_flight.ended(tracked)
            self.in_flight.schedule(tracked, 0.0)
        else:
            self.in_flight.remove(tracked)
        if purchase.status is Status.SUCCEEDED:
            self.on_success(purchase)
        elif purchase.status is Status.ATTENTION:
            self._warn_of_attention(purchase)
        else:
            self.on_failure(purchase)

    def _warn_of_attention(self, purchase: Purchase) -> None:
        for name in self.served_jobs.names(purchase):
            self.reporter.warn(unknown_warning(name, purchase.error))


def _why_not_polled(error: VendorError) -> str:
    match error:
        case NoCredit():
            return "the vendor only answers that there is no credit"
        case CallRefused():
            return f"the vendor refuses to report on its workflow ({error})"
        case UnusableAnswer():
            return f"the vendor answers, but not with its workflow ({error})"
        case ProviderFault():
            return str(error)
        case _:
            return f"the vendor is unreachable ({error})"


def event_for_workflow(
    tracked: TrackedPurchase, workflow: Workflow, now: float, unusable: str, *, is_old: bool
) -> Event | None:
    """The event to record for a response; None if the workflow is still running and nothing has changed.

    `unusable` is a url of a wanted file that cannot be used, if there is one; if the purchase `is_old`, such a file
    is not waited for in more than one run.
    """
    tracked.attempts = tracked.faults = tracked.not_found = 0
    tracked.without_result = ""
    if workflow.percent is not None:
        tracked.note_progress(workflow.percent, now)
    match workflow.progress:
        case Progress.FAILED:
            why = without_secrets(printable(workflow.error or f"the vendor ended it as '{workflow.status}'"))
            return VendorFailed(why, workflow.updated_at)
        case Progress.SUCCEEDED:
            return _succeeded(tracked, workflow, now, unusable, is_old=is_old)
        case _:
            return _still_running(tracked.purchase, workflow)


def _succeeded(
    tracked: TrackedPurchase, workflow: Workflow, now: float, unusable: str, *, is_old: bool
) -> Event | None:
    # A recorded failure is polled only once, and could be bought again if it stayed one.
    if workflow.result and (not unusable or tracked.purchase.status is Status.FAILED):
        return _finished(tracked, workflow)
    # The vendor may report success shortly before it lists the files.
    tracked.empty_since = now if tracked.empty_since is None else tracked.empty_since
    tracked.without_result = _without_result(workflow, unusable)
    is_over = now - tracked.empty_since >= EMPTY_RESULT
    if workflow.result and is_old and (is_over or now >= tracked.deadline):
        return _finished(tracked, workflow)
    if is_over and unusable:
        # There is a result, which must be neither lost nor bought again: it is left to a later run, as the vendor may
        # still correct its url.
        tracked.stop_waiting(now)
        return None
    return VendorFailed(tracked.without_result, workflow.updated_at) if is_over else None


def _without_result(workflow: Workflow, unusable: str) -> str:
    if not unusable:
        return "the vendor reports success, but no result"
    which = "one of its files" if workflow.result else "its result"
    return f"the vendor reports success, but the url of {which} cannot be used: {unusable}"


def event_for_not_found(tracked: TrackedPurchase, now: float) -> Event | None:
    """The event to record for a 404; None until it has repeated often and long enough to mean that it is lost."""
    if tracked.not_found == 0:
        tracked.not_found_since = now
    tracked.not_found += 1
    if tracked.not_found >= NOT_FOUND_TIMES and now - tracked.not_found_since >= NOT_FOUND_SECONDS:
        return Vanished("the vendor no longer knows this workflow")
    return None


def _still_running(purchase: Purchase, workflow: Workflow) -> Event | None:
    before = (purchase.created_at, purchase.credits)
    after = (
        workflow.created_at or purchase.created_at,
        purchase.credits if workflow.credits is None else workflow.credits,
    )
    if after == before:
        return None
    return Reported(workflow.credits, workflow.created_at, workflow.updated_at)


def _finished(tracked: TrackedPurchase, workflow: Workflow) -> Finished:
    tracked.latest, tracked.without_result = workflow, ""
    purchase = tracked.purchase
    return Finished(
        outputs=merged(purchase.outputs, workflow.result),
        steps=merged_steps(purchase.steps, workflow),
        credits=workflow.credits,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )

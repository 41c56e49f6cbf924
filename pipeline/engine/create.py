"""Sends creates: takes each from its intent to its outcome. Only this module calls `Provider.create`.

The methods of `Creator` stand in the order of these steps: prepared → intent → durable → (wave published, and what
must not be sent of it voided) → sent → outcome → what follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from pipeline import failpoints, record_limits
from pipeline.errors import ExitCode, InvalidInput, PipelineError, printable
from pipeline.planning.hints import unknown_warning
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    CreateRequest,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
    Provider,
    out_of_credit,
)
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.records import is_workflow_id
from pipeline.schemes import without_secrets
from pipeline.state.events import Accepted, Event, NothingBought, Rejected, Unresolved

if TYPE_CHECKING:
    from pipeline.engine.buy_queue import BuyQueue
    from pipeline.engine.calls import CallPool, Clock
    from pipeline.engine.checkpoint import WavePublisher
    from pipeline.engine.in_flight import InFlight
    from pipeline.engine.journal import Journal
    from pipeline.engine.latest_decisions import LatestDecisions
    from pipeline.engine.other_machines import OtherMachines
    from pipeline.engine.prepare import Prepared, Preparer
    from pipeline.engine.reporter import Reporter
    from pipeline.engine.served_jobs import ServedJobs
    from pipeline.jobs import Job
    from pipeline.planning.plan import Entry

_BOUGHT_ELSEWHERE = "another machine has bought the same thing"
_IN_DOUBT = "a webhook named the workflow of an earlier purchase, so it was not sent"
_APPROVED = "a take of it was approved during this run"
_OTHER_SOURCE = "during this run, it was decided to make it from another take"
_UNREADABLE = "nothing more is bought, as takes may be approved in it. Correct or restore it, and run again"
_BUDGET_EXCEEDED = "with what other machines bought, the budget would be exceeded"


@dataclass(frozen=True, slots=True)
class Create:
    """One create: its request, its purchase, its job, and the entry of the plan that it carries out."""

    entry: Entry
    job: Job
    purchase: Purchase
    request: CreateRequest


@dataclass(kw_only=True, eq=False, slots=True)
class Creator:
    """Sends each prepared create, at most once, after its intent is on disk.

    With a checkpoint, intents are collected into a wave, which is published as a whole before any of it is sent. If
    two machines share only what is published, the one that publishes later has read the other's wave, and yields.
    `is_held` returns whether this run still holds the state, `is_in_doubt` whether the same may have been bought
    before; `hold` then gets its entry. `on_bought` and `on_rejected` get the purchase once its
    new status is on disk. `not_needed` counts the jobs that were not bought because of decisions made meanwhile.
    """

    provider: Provider
    calls: CallPool
    clock: Clock
    journal: Journal
    queue: BuyQueue
    preparer: Preparer
    in_flight: InFlight
    served_jobs: ServedJobs
    publisher: WavePublisher
    others: OtherMachines
    decisions: LatestDecisions
    reporter: Reporter
    is_held: Callable[[], bool]
    is_in_doubt: Callable[[Purchase], bool]
    hold: Callable[[Entry, Purchase], None]
    on_bought: Callable[[Purchase], None]
    on_rejected: Callable[[Purchase], None]

    not_needed: int = field(default=0, init=False)
    _wave: list[Create] = field(default_factory=list, init=False)
    _intended: list[Create] = field(default_factory=list, init=False)
    _cleared: deque[Create] = field(default_factory=deque, init=False)

    def due_at(self) -> float | None:
        """When it may next have a call to start, in monotonic seconds; None: not before another call ends."""
        return self.decisions.due_at if self._cleared else self.preparer.due_at()

    # Intent

    def intend(self, prepared: Prepared) -> None:
        """Queue the intent of one create to be committed; with a checkpoint, add it to the next wave instead."""
        if not self.queue.is_open:
            self.in_flight.release()
            return
        job, source = prepared.job, prepared.source
        purchase = new_purchase(
            job, prepared.purchase_id, source, self.clock.now(), self.served_jobs.replaced(job)
        )
        create = Create(entry=prepared.entry, job=job, purchase=purchase, request=prepared.request)
        if self.publisher.has_checkpoint:
            self._wave.append(create)
        else:
            self._write_intent(create)

    def close_wave(self) -> None:
        """Queue the intents of the wave to be committed, once nothing more can be added to it now.

        No intent is written while a command publishes, so the next publication contains all intents that are on disk.
        """
        if self._wave and self.preparer.is_idle and not self._intended and not self.publisher.is_busy:
            for create in self._wave:
                self._write_intent(create)
            self._wave.clear()

    def _write_intent(self, create: Create) -> None:
        if self.others.have_bought(create.job):
            self._give_up(create, _BOUGHT_ELSEWHERE)
            return
        if self.is_in_doubt(create.purchase):
            self.in_flight.release()
            self.hold(create.entry, create.purchase)
            return
        self._intended.append(create)
        self.journal.intend(create.purchase, partial(self._on_durable, create), create.entry.supersedes)

    def _on_durable(self, create: Create, is_durable: bool) -> None:
        """Continue after the commit: the intent is on disk, or a cap forbids it."""
        if not is_durable:
            self._intended.remove(create)
            self.in_flight.release()
            self._close(f"{create.entry.key}: not bought: {self.journal.why_refused(create.purchase)}")
            return
        self.served_jobs.add(create.job, create.purchase.id)
        if not self.publisher.has_checkpoint:
            self._intended.remove(create)
            self._cleared.append(create)

    # Publication of a wave

    def publish_wave(self) -> None:
        """Publish the intents that are on disk; they are sent only after that."""
        if self._intended and self.publisher.has_checkpoint:
            self.publish_results()

    def publish_results(self) -> None:
        """Write what is on disk to the results, publish it, and then read what other machines have bought.

        Does nothing while a command publishes: the command may write to the same file.
        """
        if not self.publisher.is_busy:
            self.publisher.begin(self._after_publication)

    def _after_publication(self, why_not: str | None) -> None:
        if why_not is not None:
            self._stop(why_not)
        else:
            self._read_other_machines()
        if not self.publisher.has_checkpoint:
            return  # without a checkpoint there are no waves, and these intents may not be on disk yet
        if self.queue.stopped:
            self.withdraw("its intent could not be published, so it was not sent")
        else:
            self._void_unsendable()
            self._cleared.extend(self._intended)
            self._intended.clear()

    def _read_other_machines(self) -> None:
        try:
            self.others.update()
        except PipelineError as error:
            self._stop(str(error))

    def _void_unsendable(self) -> None:
        """Void the intents of the wave just published that others have bought or the budget does not allow.

        Each wave is judged once, against what was published before it; a machine that publishes later has read it,
        and yields. The rest is sent regardless of later purchases: if it were judged again, two machines could yield
        to each other.
        """
        self._yield_to_others()
        self._keep_the_budget()

    def _yield_to_others(self) -> None:
        for create in [each for each in self._intended if self.others.have_bought(each.job)]:
            self._void(create, _BOUGHT_ELSEWHERE)

    def _keep_the_budget(self) -> None:
        while self._intended and self.journal.exceeds_budget:
            self._void(self._intended[-1], _BUDGET_EXCEEDED)
            self._close(f"{_BUDGET_EXCEEDED}; nothing more is bought")

    def _void(self, create: Create, why: str) -> None:
        """Record that a published intent was not sent; other machines learn this from a later publication."""
        self._intended.remove(create)
        self._record_unsent(create, why)
        self._give_up(create, why)

    def _record_unsent(self, create: Create, why: str) -> None:
        self.served_jobs.remove(create.purchase.id)
        self.journal.record(create.purchase.id, NothingBought(why))

    def _give_up(self, create: Create, why: str) -> None:
        self.in_flight.release()
        self.queue.give_up(create.entry)
        self.reporter.report(create.entry.key, f"not bought: {why}")

    def _close(self, note: str) -> None:
        """Stop writing intents, as a cap is reached; creates that are already cleared are still sent."""
        self.queue.close(ExitCode.STOPPED_BUYING, note)
        self.in_flight.release(len(self._wave))
        self._wave.clear()

    def _stop(self, why: str) -> None:
        self.queue.stop(ExitCode.UNFINISHED, f"{why}; nothing more is bought")

    # Sending

    def start_next(self) -> bool:
        """Send the next create that may be sent, or prepare one; False if there is none."""
        if self.queue.stopped:
            self.withdraw()
            return False
        if not self._cleared:
            return self.preparer.start_next(self.intend)
        if not self._has_latest_decisions():
            return False
        create = self._cleared.popleft()
        if self.is_in_doubt(create.purchase):
            # The webhook call came after the intent was written.
            self._record_unsent(create, _IN_DOUBT)
            self.in_flight.release()
            self.hold(create.entry, create.purchase)
            return True
        if self._is_decided(create):
            return True
        self.calls.charge(1)
        self.calls.submit_local(
            partial(self._sent, create), send, self.provider, create.request, self.is_held
        )
        return True

    def _has_latest_decisions(self) -> bool:
        """Whether the decisions of now are known. If they cannot be read, one may forbid any create: buying ends."""
        try:
            return self.decisions.update(self.clock.monotonic())
        except InvalidInput as error:
            self.queue.stop(ExitCode.INVALID, f"{error}; {_UNREADABLE}")
            self.withdraw()
            return False

    def _is_decided(self, create: Create) -> bool:
        """Whether a decision of now forbids this create, which is then given up.

        Also in a wave that is published: whatever another machine yielded to, nobody has to buy it.
        """
        jobs = self.served_jobs.sharing(create.job)
        if self.decisions.is_outdated(create.job, create.purchase.inputs):
            why = _OTHER_SOURCE
            is_left = not self.decisions.serve(create.job)
        elif self.decisions.keep(create.job):
            why = _APPROVED
            is_left = not all(map(self.decisions.keep, jobs))
        else:
            return False
        self._record_unsent(create, why)
        self.in_flight.release()
        if is_left:
            self.queue.leave_to_next_run(create.entry, f"{why}; run again")
        else:
            self.not_needed += len(jobs)
            self.queue.give_up(create.entry)
            self.reporter.report(create.entry.key, f"not bought: {why}")
        return True

    def withdraw(self, why: str = "the run was stopped before it was sent") -> None:
        """Give up all creates that were not sent: their intents provably bought nothing."""
        self.journal.withdraw_intents()
        # Includes a wave that is being published: other machines learn from a later publication that it bought
        # nothing.
        unsent = [*self._cleared, *self._intended]
        self.in_flight.release(len(self._wave) + len(unsent))
        self._wave.clear()
        self._cleared.clear()
        self._intended.clear()
        for create in unsent:
            # An intent that was never written needs no record that it bought nothing.
            if create.purchase.id in self.journal.purchases:
                self._record_unsent(create, why)

    # Outcome

    def _sent(self, create: Create, future: Future[CreateOutcome]) -> None:
        self.apply_outcome(create, future.result())

    def apply_outcome(self, create: Create, outcome: CreateOutcome) -> None:
        """Record the outcome of a create; its consequences follow once the record is on disk."""
        if isinstance(outcome, Bought):
            outcome = self._checked(outcome)
        if not isinstance(outcome, Bought):
            # It may be a text of the vendor, and is recorded.
            outcome = replace(outcome, reason=without_secrets(outcome.reason))
        detail = without_secrets(outcome.response) if isinstance(outcome, OutcomeUnknown) else ""
        follow = partial(self._after_commit, create.entry, outcome)
        self.journal.record(create.purchase.id, event_for(outcome), follow, detail)

    def _checked(self, bought: Bought) -> Bought | OutcomeUnknown:
        """`bought`, unless its workflow id belongs to another purchase or cannot be recorded."""
        if self.journal.has_workflow(bought.workflow_id):
            # It cannot be determined which of the two purchases bought it.
            return OutcomeUnknown(
                f"the vendor named workflow {bought.workflow_id}, which belongs to another purchase"
            )
        if not is_workflow_id(bought.workflow_id):
            # Possible with a plug-in's provider. No results manifest accepts such an id, so no more results could be
            # written.
            return OutcomeUnknown("the provider returned no valid workflow id", bought.workflow_id)
        return bought

    def _after_commit(self, entry: Entry, outcome: CreateOutcome, purchase: Purchase) -> None:
        if purchase.status is Status.VOID:
            self.served_jobs.remove(purchase.id)
        self.in_flight.release()
        self.queue.count_outcome(is_unknown=isinstance(outcome, OutcomeUnknown))
        now = self.clock.monotonic()
        match outcome:
            case Bought(workflow_id):
                self.reporter.report(entry.key, f"bought as {printable(workflow_id)}")
                self.on_bought(purchase)
            case NotSent(reason, started):
                self.queue.not_sent(entry, reason, now, started=started)
            case Deferred(reason, after):
                self.queue.deferred(entry, reason, now, after)
            case JobRefused():
                self.on_rejected(purchase)
            case AccountRefused(problem, reason):
                self._account_refused(problem, reason)
            case OutcomeUnknown(reason):
                self.reporter.warn(unknown_warning(entry.key, reason))
            case _:
                assert_never(outcome)

    def _account_refused(self, problem: AccountProblem, reason: str) -> None:
        if problem is AccountProblem.CREDIT:
            self.queue.stop(ExitCode.STOPPED_BUYING, out_of_credit(reason))
        else:
            self.queue.stop(ExitCode.ACCOUNT, f"the vendor refused the key: {printable(reason)}")


def new_purchase(
    job: Job, purchase_id: PurchaseId, source: Purchase | None, now: str, replaces: Iterable[PurchaseId] = ()
) -> Purchase:
    """The purchase to record before its create is sent: for `job`, made from `source` if it is chained."""
    return Purchase(
        id=purchase_id,
        key=job.key,
        fingerprint=job.fingerprint,
        status=Status.SUBMITTING,
        bought_at=now,
        template_id=job.request.template_id,
        inputs=() if source is None else (source.id,),
        replaces=tuple(replaces)[: record_limits.MAX_REPLACED],
        request=job.request_json(purchase_id),
        credits=job.credits,
        path=job.path,
    )


def send(provider: Provider, request: CreateRequest, is_held: Callable[[], bool]) -> CreateOutcome:
    """Send one create. The purchase it is for must be on disk as `submitting` before this is called.

    Nothing is sent if `is_held` returns False: another run may hold the state by now.
    """
    failpoints.reach("before create")
    if not is_held():
        return NotSent("the lease on the state ran out before it was sent", started=False)
    try:
        outcome = provider.create(replace(request, may_send=is_held))
    except BaseException as error:  # noqa: BLE001 - whatever went wrong, also `sys.exit`, it may have been bought
        outcome = OutcomeUnknown(f"{type(error).__name__} in the provider")
    failpoints.reach("after create")
    return outcome


def event_for(outcome: CreateOutcome) -> Event:
    """The event to record for an outcome. Whether and when the job is retried is decided by the queue."""
    match outcome:
        case Bought(workflow_id):
            return Accepted(workflow_id)
        case NotSent(reason) | Deferred(reason):
            return NothingBought(reason)
        case JobRefused(reason):
            return Rejected(reason)
        case AccountRefused(reason=reason):
            # The refusal concerns the account: if the job failed, later runs would not buy it.
            return NothingBought(reason)
        case OutcomeUnknown(reason):
            # The vendor has no idempotency key and no list call, so a second create could pay twice unnoticed. Only a
            # person resolves it (`pipeline resolve`).
            return Unresolved(reason)
    assert_never(outcome)

"""Buys what a plan buys: prepare, intent on disk, one create, and what its outcome means for the rest."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from pipeline.engine.buy_queue import Buying
from pipeline.engine.create import submit
from pipeline.engine.outcomes import Settling
from pipeline.engine.prepare import InputFailed, Upstream, prepare
from pipeline.engine.publisher import Publishing
from pipeline.engine.tracker import Tracker
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import BuyingStopped, ExitCode
from pipeline.jobs import Job
from pipeline.planning.plan import Entry
from pipeline.providers.base import (
    CallRefused,
    CreateOutcome,
    CreateRequest,
    VendorError,
)
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state.transitions import NothingBought

PREPARE_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A purchase that is about to be sent, and what it sends."""

    entry: Entry
    job: Job
    purchase: Purchase
    order: CreateRequest


class Purchasing:
    """Takes entries of a plan from `buying` to a purchase that `following` watches.

    An entry is prepared, its intent is made durable, and then it is sent. With a checkpoint, intents gather
    to a wave, which is published as a whole before any of it is sent.
    """

    def __init__(
        self, workplace: Workplace, buying: Buying, following: Tracker, publishing: Publishing
    ) -> None:
        self._at = workplace
        self._buying = buying
        self._following = following
        self._preparing = 0
        self._sending = 0
        self._wave: list[Prepared] = []
        self._begun: list[Prepared] = []
        self._cleared: deque[Prepared] = deque()
        self._publishing = publishing
        self._settling = Settling(workplace, buying, following)

    def wakes_at(self) -> float | None:
        """When there is something to do here, in monotonic seconds; None: not before something else ends."""
        if self._cleared or self._is_wave_full():
            return 0.0
        return None if self._is_crowded() else self._buying.wakes_at()

    def hand_out(self) -> bool:
        """Send what is cleared, or start on the next entry that may be bought; False if there is neither."""
        if self._buying.stopped:
            self.withdraw()
            return False
        if self._cleared:
            self._send(self._cleared.popleft())
            return True
        if self._is_wave_full():
            self._intend(self._wave)
            self._wave = []
            return True
        entry = None if self._is_crowded() else self._buying.next(self._at.clock.monotonic())
        if entry is None or entry.job is None:
            return False
        self._prepare(entry, entry.job)
        return True

    def stop(self, code: ExitCode, note: str) -> None:
        """Buy nothing more in this run."""
        self._settling.stop(code, note)

    def withdraw(self, why: str = "the run was stopped before it was sent") -> None:
        """Give up what is not sent: its intents provably bought nothing."""
        self._wave.clear()
        self._at.journal.withdraw()
        # Also a wave that is being published: who reads of it learns in the end that it bought nothing.
        unsent = [*self._cleared, *self._begun]
        self._cleared.clear()
        self._begun.clear()
        for prepared in unsent:
            # An intent that is not written is nowhere: there is nothing to give up.
            if prepared.purchase.id in self._at.journal.purchases:
                self._at.served_jobs.gave_nothing(prepared.purchase.id)
                self._at.journal.record(prepared.purchase.id, NothingBought(why))

    def _is_crowded(self) -> bool:
        waiting = len(self._wave) + len(self._begun) + len(self._cleared)
        under_way = self._preparing + self._sending + waiting
        return under_way + self._following.in_flight >= self._at.settings.in_flight

    def _is_wave_full(self) -> bool:
        """Whether the wave is as large as it can be now."""
        if not self._wave or self._preparing or self._publishing.is_busy or self._begun:
            return False
        next_at = self._buying.wakes_at()
        return self._is_crowded() or next_at is None or next_at > self._at.clock.monotonic()

    def _prepare(self, entry: Entry, job: Job) -> None:
        self._preparing += 1
        purchase_id = PurchaseId(self._at.new_id())
        source = entry.source or self._upstream(job)
        self._at.calls.send(
            self._at.till,
            lambda future: self._prepared(entry, job, purchase_id, source, future),
            prepare,
            self._at.provider,
            job,
            self._at.manifest_folder,
            purchase_id,
            self._as_upstream(source),
        )

    def _upstream(self, job: Job) -> Purchase | None:
        """The purchase that serves the job's upstream: a chained job is made from no other."""
        serving = None if job.upstream is None else self._at.served_jobs.assignment.get(job.upstream)
        return None if serving is None else self._at.journal.purchases.get(serving)

    def _as_upstream(self, source: Purchase | None) -> Upstream | None:
        if source is None or source.workflow_id is None:
            return None
        return Upstream(source.workflow_id, self._at.outputs.inventory.files_of(source))

    # What came of preparing

    def _prepared(
        self,
        entry: Entry,
        job: Job,
        purchase_id: PurchaseId,
        source: Purchase | None,
        future: "Future[CreateRequest]",
    ) -> None:
        self._preparing -= 1
        answer = outcome(future)
        match answer:
            case CreateRequest():
                purchase = intended(job, purchase_id, source, self._at.clock.now())
                self._ready(Prepared(entry, job, purchase, answer))
            case InputFailed() | CallRefused():
                self._at.report.inputs[entry.key] = str(answer)
                self._at.reporter.tell(entry.key, f"failed (input): {answer}")
            case BuyingStopped():
                self.stop(ExitCode.STOPPED_BUYING, str(answer))
            case VendorError():
                self._unprepared(entry, answer)
            case _:
                raise answer

    def _unprepared(self, entry: Entry, error: VendorError) -> None:
        attempts = self._buying.of(entry)
        attempts.unprepared += 1
        patience = entry.job.timeout if entry.job is not None else 0.0
        if attempts.unprepared >= PREPARE_PATIENCE or (error.after or 0.0) > patience:
            self._at.report.stop(ExitCode.UNFINISHED, f"{entry.key}: {error}; run again")
        else:
            self._settling.again(entry, attempts.unprepared, error.after)

    def _ready(self, prepared: Prepared) -> None:
        if self._buying.stopped:
            return
        if self._at.checkpoint is None:
            self._intend([prepared])
        else:
            self._wave.append(prepared)

    def _intend(self, wave: list[Prepared]) -> None:
        for prepared in wave:
            self._begun.append(prepared)
            self._at.journal.intend(
                prepared.purchase, partial(self._durable, prepared), prepared.entry.replaces
            )

    def _durable(self, prepared: Prepared, begun: bool) -> None:
        """The intent is on disk, or a cap forbids it."""
        if not begun:
            self._begun.remove(prepared)
            self.stop(ExitCode.STOPPED_BUYING, f"{prepared.entry.key}: not bought, a cap would be passed")
            return
        self._at.served_jobs.buys(prepared.job, prepared.purchase.id)
        if self._at.checkpoint is None:
            self._begun.remove(prepared)
            self._cleared.append(prepared)

    # Checkpoints

    def publish_wave(self) -> None:
        """Have the intents that are on disk published; they are sent only after that."""
        if self._begun and not self._publishing.is_busy:
            self.publish()

    def publish(self) -> None:
        """Have what is on disk published by the operator's command, and buy no more of what others have bought."""
        if self._at.checkpoint is None:
            if why := self._publishing.overtaken():
                self._buy_no_more(why)
        elif not self._publishing.is_busy:
            self._publishing.begin(self._at.checkpoint, self._published)

    def _published(self, why: str | None) -> None:
        if why is not None:
            self._buy_no_more(why)
        if self._buying.stopped:
            self.withdraw("its intent could not be published, so it was not sent")
        else:
            self._cleared.extend(self._begun)
            self._begun.clear()

    def _buy_no_more(self, why: str) -> None:
        self.stop(ExitCode.UNFINISHED, f"{why}; nothing more is bought")

    # Creates

    def _send(self, prepared: Prepared) -> None:
        self._sending += 1
        land = partial(self._landed, prepared)
        self._at.calls.send(self._at.till, land, submit, self._at.provider, prepared.order)

    def _landed(self, prepared: Prepared, future: "Future[CreateOutcome]") -> None:
        self._sending -= 1
        self._settling.settle(prepared.entry, prepared.purchase, future.result())


def intended(job: Job, purchase_id: PurchaseId, source: Purchase | None, now: str) -> Purchase:
    """The purchase that is about to be sent for `job`, made from `source` where it is chained."""
    return Purchase(
        id=purchase_id,
        key=job.key,
        fingerprint=job.fingerprint,
        status=Status.SUBMITTING,
        bought_at=now,
        template_id=job.request.template_id,
        inputs=(source.id,) if source is not None and job.upstream is not None else (),
        request=job.request_json(purchase_id),
        credits=job.credits,
        path=job.path,
    )

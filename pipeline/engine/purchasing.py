"""Buys what a plan buys: prepare, intent on disk, one create, and what its outcome means for the rest."""

from concurrent.futures import Future
from functools import partial
from typing import assert_never

from pipeline.engine.buying import TORN_SENDS, UNSENT_SENDS, Buying
from pipeline.engine.following import Following
from pipeline.engine.orders import InputFailed, Upstream, prepare
from pipeline.engine.submit import settled, submit
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import BuyingStopped, ExitCode, printable
from pipeline.jobs import Job
from pipeline.plan.actions import Entry
from pipeline.providers.base import (
    AccountRefused,
    Bought,
    CallRefused,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    Order,
    OutcomeUnknown,
    Refusal,
    VendorError,
)
from pipeline.purchases import Purchase, Status

PREPARE_PATIENCE = 5


class Purchasing:
    """Takes entries of a plan from `buying` to a purchase that `following` watches."""

    def __init__(self, workplace: Workplace, buying: Buying, following: Following) -> None:
        self._at = workplace
        self._buying = buying
        self._following = following
        self._under_way = 0

    def wakes_at(self) -> float | None:
        """When something may be bought, in monotonic seconds; None while what is in flight must end first."""
        return None if self._is_crowded() else self._buying.wakes_at()

    def _is_crowded(self) -> bool:
        return self._under_way + self._following.in_flight >= self._at.settings.in_flight

    def hand_out(self) -> bool:
        """Start on the next entry that may be bought; False if none may."""
        entry = None if self._is_crowded() else self._buying.next(self._at.clock.monotonic())
        if entry is None or entry.job is None:
            return False
        self._under_way += 1
        mark = self._at.new_id()
        source = self._upstream(entry.job)
        self._at.air.send(
            self._at.till,
            lambda future: self._prepared(entry, mark, source, future),
            prepare,
            self._at.provider,
            entry.job,
            self._at.manifest_folder,
            mark,
            self._as_upstream(source),
        )
        return True

    def stop(self, code: ExitCode, note: str) -> None:
        """Buy nothing more in this run."""
        self._buying.stopped = True
        self._at.report.stop(code, note)

    def _upstream(self, job: Job) -> Purchase | None:
        """The purchase that serves the job's upstream: a chained job is made from no other."""
        return self._at.books.purchases.get(self._at.customers.serving.get(job.upstream or "", ""))

    def _as_upstream(self, source: Purchase | None) -> Upstream | None:
        if source is None or source.workflow_id is None:
            return None
        return Upstream(source.workflow_id, self._at.shelf.files_of(source))

    # What came of preparing

    def _prepared(self, entry: Entry, mark: str, source: Purchase | None, future: "Future[Order]") -> None:
        self._under_way -= 1
        answer = outcome(future)
        match answer:
            case Order():
                self._intend(entry, mark, source, answer)
            case InputFailed() | CallRefused():
                self._at.report.inputs[entry.key] = str(answer)
                self._at.reporter.tell(entry.key, f"failed (input): {answer}")
            case BuyingStopped():
                self.stop(ExitCode.STOPPED_BUYING, str(answer))
            case VendorError():
                attempts = self._buying.of(entry)
                attempts.unprepared += 1
                if attempts.unprepared >= PREPARE_PATIENCE:
                    self._at.report.stop(ExitCode.UNFINISHED, f"{entry.key}: {answer}; run again")
                else:
                    self._again(entry, attempts.unprepared, answer.after)
            case _:
                raise answer

    def _intend(self, entry: Entry, mark: str, source: Purchase | None, order: Order) -> None:
        if self._buying.stopped or entry.job is None:
            return
        self._under_way += 1
        purchase = intended(entry.job, mark, source, self._at.clock.now())
        self._at.books.intend(purchase, partial(self._begun, entry, purchase, order))

    def _begun(self, entry: Entry, purchase: Purchase, order: Order, begun: bool) -> None:
        if entry.job is None or not begun:
            self._under_way -= 1
            self.stop(ExitCode.STOPPED_BUYING, f"{entry.key}: not bought, a cap would be passed")
            return
        self._at.customers.buys(entry.job, purchase.id)
        land = partial(self._landed, entry, purchase)
        self._at.air.send(self._at.till, land, submit, self._at.provider, order)

    # What came of a create

    def _landed(self, entry: Entry, purchase: Purchase, future: "Future[CreateOutcome]") -> None:
        self._under_way -= 1
        came = future.result()
        detail = came.answer if isinstance(came, OutcomeUnknown) else ""
        self._at.books.record(
            purchase.id, settled(came), lambda after: self._settled(entry, after, came), detail
        )

    def _settled(self, entry: Entry, purchase: Purchase, came: CreateOutcome) -> None:
        """The outcome is on disk: what follows."""
        too_many = self._buying.count_outcome(not isinstance(came, OutcomeUnknown))
        if purchase.status is Status.VOID:
            self._at.customers.gave_nothing(purchase.id)
        match came:
            case Bought(workflow_id):
                self._at.reporter.tell(entry.key, f"bought as {printable(workflow_id)}")
                self._following.follow(purchase, bought_here=True)
            case NotSent(reason, started):
                self._not_sent(entry, reason, started)
            case Deferred(reason, after):
                self._deferred(entry, reason, after)
            case JobRefused(reason):
                self._following.failed.append(purchase)
                self._at.reporter.tell(entry.key, f"failed (rejected): {printable(reason)}")
            case AccountRefused(refusal, reason):
                self._refused(refusal, reason)
            case OutcomeUnknown(reason):
                self._at.reporter.warn(
                    f"{entry.key}: may have been bought, nobody can tell ({printable(reason)}); "
                    "it is not sent again, `pipeline resolve` settles it"
                )
                if too_many:
                    self.stop(ExitCode.ATTENTION, "three unknown outcomes in a row: nothing more is bought")
            case _:
                assert_never(came)

    def _refused(self, refusal: Refusal, reason: str) -> None:
        if refusal is Refusal.CREDIT:
            self.stop(ExitCode.STOPPED_BUYING, f"the vendor says: {printable(reason)}")
        else:
            self.stop(ExitCode.ACCOUNT, f"the vendor refused the key: {printable(reason)}")

    def _not_sent(self, entry: Entry, reason: str, started: bool) -> None:
        attempts = self._buying.of(entry)
        attempts.torn += started
        attempts.unsent += not started
        if attempts.torn > TORN_SENDS or attempts.unsent >= UNSENT_SENDS:
            self.stop(ExitCode.UNFINISHED, f"the vendor is out of reach ({printable(reason)}); run again")
        else:
            self._again(entry, attempts.torn + attempts.unsent, None)

    def _deferred(self, entry: Entry, reason: str, after: float | None) -> None:
        """Too many requests: everyone waits, but no longer than the job's own patience."""
        attempts = self._buying.of(entry)
        attempts.deferred += 1
        patience = entry.job.timeout if entry.job is not None else 0.0
        if (after or 0.0) > patience or attempts.deferred > PREPARE_PATIENCE * 2:
            self._at.report.stop(
                ExitCode.UNFINISHED,
                f"{entry.key}: put off by the vendor ({printable(reason)}); run again later",
            )
            return
        now = self._at.clock.monotonic()
        self._buying.not_before = max(self._buying.not_before, now + (after or 0.0))
        self._again(entry, attempts.deferred, after)

    def _again(self, entry: Entry, attempt: int, asked: float | None) -> None:
        self._buying.again(entry, self._at.clock.monotonic(), attempt, asked)


def intended(job: Job, mark: str, source: Purchase | None, now: str) -> Purchase:
    """The purchase that is about to be sent for `job`, made from `source` where it is chained."""
    return Purchase(
        id=mark,
        key=job.name,
        fingerprint=job.fingerprint,
        status=Status.SUBMITTING,
        bought_at=now,
        template_id=job.request.template_id,
        inputs=(source.id,) if source is not None and job.upstream is not None else (),
        request=job.request_json(mark),
        credits=job.credits,
        path=job.path,
    )

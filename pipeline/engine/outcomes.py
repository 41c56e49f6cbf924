"""What the outcome of a create means: for its purchase, for its job, and for all further buying."""

from typing import assert_never

from pipeline.engine.buy_queue import TORN_SENDS, UNSENT_SENDS, Buying
from pipeline.engine.create import settled
from pipeline.engine.tracker import Tracker
from pipeline.engine.workplace import Workplace
from pipeline.errors import ExitCode, printable
from pipeline.planning.plan import Entry
from pipeline.providers.base import (
    AccountRefused,
    Bought,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
    Refusal,
)
from pipeline.purchases import Purchase, Status

# So often the vendor may put off one job in a run.
DEFERRALS = 10


class Settling:
    """Takes in outcomes of creates. Whether and when a job goes again is decided here."""

    def __init__(self, workplace: Workplace, buying: Buying, following: Tracker) -> None:
        self._at = workplace
        self._buying = buying
        self._following = following

    def stop(self, code: ExitCode, note: str) -> None:
        """Buy nothing more in this run."""
        self._buying.stopped = True
        self._at.report.stop(code, note)

    def settle(self, entry: Entry, purchase: Purchase, came: CreateOutcome) -> None:
        """Write down what came of the create of `purchase`; what follows from it happens once that is on disk."""
        came = self._believed(came)
        detail = came.answer if isinstance(came, OutcomeUnknown) else ""
        self._at.journal.record(
            purchase.id, settled(came), lambda after: self._settled(entry, after, came), detail
        )

    def _believed(self, came: CreateOutcome) -> CreateOutcome:
        """What the vendor said; but of an id that another purchase has nobody can tell whose it is."""
        if isinstance(came, Bought) and self._at.journal.has_workflow(came.workflow_id):
            return OutcomeUnknown(f"the vendor named workflow {came.workflow_id}, which another purchase has")
        return came

    def _settled(self, entry: Entry, purchase: Purchase, came: CreateOutcome) -> None:
        """The outcome is on disk: what follows."""
        too_many = self._buying.count_outcome(not isinstance(came, OutcomeUnknown))
        if purchase.status is Status.VOID:
            self._at.served_jobs.gave_nothing(purchase.id)
        match came:
            case Bought(workflow_id):
                self._at.reporter.tell(entry.key, f"bought as {printable(workflow_id)}")
                if self._at.settings.wait:
                    self._following.follow(purchase, bought_here=True)
            case NotSent(reason, started):
                self._not_sent(entry, reason, started)
            case Deferred(reason, after):
                self._deferred(entry, reason, after)
            case JobRefused():
                self._following.failed.append(purchase)
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
            self.again(entry, attempts.torn + attempts.unsent, None)

    def _deferred(self, entry: Entry, reason: str, after: float | None) -> None:
        """Too many requests: everyone waits, but no longer than the job's own patience."""
        attempts = self._buying.of(entry)
        attempts.deferred += 1
        patience = entry.job.timeout if entry.job is not None else 0.0
        if (after or 0.0) > patience or attempts.deferred > DEFERRALS:
            how_long = f" for {after:,.0f} s" if after is not None else ""
            self._at.report.stop(
                ExitCode.UNFINISHED,
                f"{entry.key}: put off by the vendor{how_long} ({printable(reason)}); run again later",
            )
            return
        now = self._at.clock.monotonic()
        self._buying.not_before = max(self._buying.not_before, now + (after or 0.0))
        self.again(entry, attempts.deferred, after)

    def again(self, entry: Entry, attempt: int, asked: float | None) -> None:
        """Put an entry back, for after a backoff that is no shorter than the vendor asked for."""
        self._buying.again(entry, self._at.clock.monotonic(), attempt, asked)

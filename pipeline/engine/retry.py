"""What follows from a failure: it is told, it may end the buying, and it may be bought again."""

from pipeline.assignment import Matcher
from pipeline.engine.buy_queue import Buying
from pipeline.engine.buyer import Purchasing
from pipeline.engine.workplace import Workplace
from pipeline.errors import ExitCode
from pipeline.jobs import Job
from pipeline.planning.plan import Action, Entry
from pipeline.providers.base import Provider, VendorError
from pipeline.purchases import Purchase, Reason, Status


class Failures:
    """Takes in purchases that have failed. `matcher` says what else might serve their jobs."""

    def __init__(
        self, workplace: Workplace, buying: Buying, purchasing: Purchasing, matcher: Matcher
    ) -> None:
        self._at = workplace
        self._buying = buying
        self._purchasing = purchasing
        self._fitting = matcher

    def take_in(self, purchase: Purchase) -> None:
        """Do what is wanted where something fails."""
        for key in self._at.served_jobs.keys(purchase):
            self._at.reporter.tell(key, f"failed ({purchase.reason}): {purchase.error}")
        if self._at.settings.fail_fast:
            self._purchasing.stop(ExitCode.FAILED, "a job failed: nothing more is bought (--fail-fast)")
        elif entry := self._retry(purchase):
            self._at.reporter.tell(entry.key, "bought again (retries)")
            self._buying.add([entry])
        if self._at.settings.report_errors:
            self._at.calls.send(self._at.executor, lambda _: None, report_error, self._at.provider, purchase)

    def _retry(self, purchase: Purchase) -> Entry | None:
        """The entry to buy a failed request again, where its job's `retries` allow that; counted over all runs."""
        jobs = self._at.served_jobs.of(purchase.id)
        if not jobs or purchase.reason is not Reason.VENDOR or self._has_another(jobs[0]):
            return None
        asked = (purchase.fingerprint, purchase.inputs, purchase.reason)
        failed = sum(
            (each.fingerprint, each.inputs, each.reason) == asked
            for each in self._at.journal.purchases.values()
        )
        if failed > jobs[0].retries:
            return None
        source = self._at.journal.purchases.get(purchase.inputs[0]) if purchase.inputs else None
        return Entry(
            key=jobs[0].key,
            action=Action.RETRY,
            reason="failed (vendor)",
            job=jobs[0],
            purchase=purchase,
            credits=jobs[0].credits,
            source=source,
        )

    def _has_another(self, job: Job) -> bool:
        """Whether another machine bought the same, and that has not failed: it serves instead."""
        known = (self._at.journal.purchases[each.id] for each in self._fitting.matching(job.key))
        return any(each.status is not Status.FAILED for each in known)


def report_error(provider: Provider, purchase: Purchase) -> None:
    """Tell the vendor of a failure; that it does not listen changes nothing."""
    context = {"workflow_id": purchase.workflow_id, "template_id": purchase.template_id, "key": purchase.key}
    try:
        provider.report_error(purchase.error or "failed", {k: v for k, v in context.items() if v is not None})
    except VendorError:
        return

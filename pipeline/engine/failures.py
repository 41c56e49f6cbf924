"""Handles failed purchases and inputs: reports them, stops buying under `fail_fast`, and buys again (`retries`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import ExitCode, PipelineError
from pipeline.planning.plan import Action, Entry
from pipeline.planning.retries import count_failures, has_retries_left
from pipeline.providers.base import Provider, VendorError
from pipeline.purchases import Purchase, PurchaseId, Status

if TYPE_CHECKING:
    from pipeline.assignment import Matcher
    from pipeline.engine.buy_queue import BuyQueue
    from pipeline.engine.calls import CallPool
    from pipeline.engine.reporter import Reporter, RunReport
    from pipeline.engine.served_jobs import ServedJobs
    from pipeline.jobs import Job, JobKey
    from pipeline.json_values import Json


@dataclass(kw_only=True, eq=False, slots=True)
class Failures:
    """Handles failures: reports them, stops buying under `fail_fast`, and with `retries` buys again what may be.

    `matcher` finds other purchases that could serve the jobs of a failed one.
    """

    provider: Provider
    calls: CallPool
    queue: BuyQueue
    served_jobs: ServedJobs
    purchases: Mapping[PurchaseId, Purchase]
    matcher: Matcher
    reporter: Reporter
    report: RunReport
    fail_fast: bool
    retries: bool
    report_errors: bool

    _due: dict[JobKey, PurchaseId] = field(default_factory=dict, init=False)

    def add(self, purchase: Purchase) -> None:
        """Handle a purchase whose failure is on disk."""
        for key in self.served_jobs.keys(purchase):
            self.reporter.report(key, f"failed ({purchase.reason}): {purchase.error}")
        self._stop_buying()
        if self.retries and (entry := self._retry(purchase)):
            self._due[entry.key] = purchase.id
            if self.queue.is_open:
                self.reporter.report(entry.key, "failed; will be bought again (retries)")
                self.queue.add([entry])
        self._report_to_vendor(
            purchase.error or "failed",
            {
                "workflow_id": purchase.workflow_id,
                "template_id": purchase.template_id,
                "key": purchase.key,
            },
        )

    def not_made_again(self) -> list[JobKey]:
        """The jobs that were to be bought again, and were not, as the buying ended before."""
        return sorted(key for key, failed in self._due.items() if self.served_jobs.by_key.get(key) == failed)

    def add_input(self, job: Job, error: PipelineError) -> None:
        """Handle a failed input of `job`: nothing is bought for it, or for the jobs that would share its purchase."""
        for each in self.served_jobs.sharing(job):
            self.report.inputs[each.key] = str(error)
            self.served_jobs.fail(each.key)
            self.reporter.report(each.key, f"failed (input): {error}")
        self._stop_buying()
        self._report_to_vendor(str(error), {"template_id": job.request.template_id, "key": job.key})

    def _stop_buying(self) -> None:
        if self.fail_fast:
            self.queue.stop(ExitCode.FAILED, "a job failed: nothing more is bought (--fail-fast)")

    def _report_to_vendor(self, message: str, context: Mapping[str, Json]) -> None:
        if self.report_errors:
            self.calls.charge(1)
            self.calls.submit(lambda _: None, report_error, self.provider, message, context)

    def _retry(self, purchase: Purchase) -> Entry | None:
        """The entry that buys a failed request again, if the job's `retries`, counted over all runs, allow it."""
        jobs = self.served_jobs.of(purchase.id)
        if not jobs or self._is_served_otherwise(jobs[0]):
            return None
        job = jobs[0]
        if not has_retries_left(purchase, job, count_failures(self.purchases.values())):
            return None
        return Entry(
            key=job.key,
            action=Action.RETRY,
            reason="failed (vendor)",
            job=job,
            purchase=purchase,
            credits=job.credits,
            source=self.purchases.get(purchase.inputs[0]) if purchase.inputs else None,
        )

    def _is_served_otherwise(self, job: Job) -> bool:
        """Whether another purchase of the same request, such as another machine's, has not failed."""
        matching = (self.purchases[each.id] for each in self.matcher.matching(job.key))
        return any(each.status is not Status.FAILED for each in matching)


def report_error(provider: Provider, message: str, context: Mapping[str, Json]) -> None:
    """Report a failure to the vendor; errors of this call are ignored."""
    try:
        provider.report_error(message, {k: v for k, v in context.items() if v is not None})
    except VendorError:
        return

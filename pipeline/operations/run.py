"""One plan of one campaign, from what it asks to how the jobs stand at its end. Says nothing: its callers do."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pipeline.assignment import Assignment, assign
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.execute import execute
from pipeline.engine.reporter import Reporter, RunReport, RunSettings, Stop
from pipeline.errors import ExitCode, PipelineError
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState, served_by
from pipeline.operations.provider import vendor
from pipeline.operations.results_publisher import Publisher
from pipeline.planning.collect import paid_for
from pipeline.planning.make import make
from pipeline.planning.plan import ALL, Action, Asked, Plan
from pipeline.planning.price import Limits, refusal
from pipeline.providers.base import Provider
from pipeline.purchases import Purchase, Records, Status
from pipeline.results.build import Standing, standing
from pipeline.results.exit_code import exit_code
from pipeline.state.store import Change


@dataclass(frozen=True)
class RunOptions:
    """What an operation is told besides the manifest.

    `timeout` is what one call may take, in seconds. `provider` stands in for the one that the manifest names.
    """

    settings: RunSettings
    timeout: float = 60.0
    asked: Asked = ALL
    provider: Provider | None = None
    checkpoint: Checkpoint | None = None
    on_change: Callable[[Change], None] = lambda _change: None
    frozen: bool = False
    fail_threshold: float = 0.0

    @property
    def enough(self) -> set[str]:
        """The statuses under way with which the run is to leave a job."""
        if not self.settings.wait:
            return {Status.SUBMITTED.value, Status.SUCCEEDED.value}
        return set() if self.settings.download else {Status.SUCCEEDED.value}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: by key how each job stands, what `pipeline run` exits with, and why it stopped.

    `unsettled` are purchases in `attention` that serve no job now; `published`: the results manifest tells all this.
    """

    jobs: Mapping[JobKey, Standing]
    code: ExitCode
    notes: tuple[str, ...]
    unsettled: tuple[Purchase, ...] = ()
    published: bool = True

    @property
    def is_done(self) -> bool:
        """Whether every job is done."""
        return self.code is ExitCode.OK


class CampaignRun:
    """Carries out plans of one campaign, with the lock held. `report` gathers why it stopped."""

    def __init__(self, state: CampaignState, orders: RunOptions, stop: Stop | None = None) -> None:
        self.report = RunReport()
        self._facts = state
        self._orders = orders
        self._stop = stop or Stop()
        self._shelf = state.outputs()
        self._publisher = Publisher(state.workspace, state.published)
        self._is_published = True

    def plan(self) -> Plan:
        """What a run would do."""
        survey = self._shelf.inventory.survey(self._facts.assignment)
        return make(self._facts.assignment, survey, self._orders.asked)

    def plan_of_collecting(self) -> Plan:
        """What is fetched of what is paid for; buys nothing."""
        selected = self._orders.asked.selected
        known = self._facts.records.purchases.values()
        paid = [each for each in known if selected is None or each.key in selected]
        return paid_for(self.plan(), paid, self._shelf.inventory.lacks)

    def refusal(self, plan: Plan) -> str | None:
        """Why nothing of `plan` may be bought, as far as that is known beforehand: a cap, or `frozen`."""
        if not plan.buying:
            return None
        if self._orders.frozen:
            return f"{len(plan.buying):,} to buy, but --frozen: nothing was done"
        caps = self._orders.settings.caps
        spent = sum(purchase.cost for purchase in self._facts.records.purchases.values())
        return refusal(plan, Limits(caps.max_creates, caps.max_credits, caps.budget), spent)

    def carry_out(
        self,
        plan: Plan,
        reporter: Callable[[], AbstractContextManager[Reporter]],
        may_begin: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Do what `plan` says, where it `may_begin`. However that ends, what is on disk then is published.

        `reporter` is asked for once there is something to tell.

        Raises:
            AccountError: there is no key.
            InvalidInput: there is no such provider.
            Unfinished: files could not be written.
        """
        try:
            if may_begin():
                self._execute(plan, reporter)
        finally:
            assignment = self._publish()
            self._have_published()
        return self._outcome(plan, assignment)

    def _execute(self, plan: Plan, reporter: Callable[[], AbstractContextManager[Reporter]]) -> None:
        workspace = self._facts.workspace
        if not plan.asks_vendor and not plan.moves_files:
            return
        if plan.buying:
            self._publisher.assert_writable()
            if self._orders.settings.download:
                self._shelf.assert_writable()
        with self._vendor() as provider, reporter() as told:
            execute(
                plan,
                self._facts.records,
                store=self._facts.store,
                provider=provider,
                outputs=self._shelf,
                manifest_folder=workspace.campaign.manifest.parent,
                settings=self._orders.settings,
                reporter=told,
                report=self.report,
                stop=self._stop,
                publish=lambda: self._write(*self._now()),
                others=self._publisher.others,
                checkpoint=self._orders.checkpoint,
                on_change=self._orders.on_change,
            )

    def _vendor(self) -> AbstractContextManager[Provider]:
        given = self._orders.provider
        return vendor(self._facts.workspace, self._orders.timeout) if given is None else nullcontext(given)

    def _now(self) -> tuple[Assignment, Records]:
        """What is on disk now, and which job it serves."""
        records = self._facts.store.records()
        return assign(self._facts.jobs, records, self._facts.decisions), records

    def _write(self, assignment: Assignment, records: Records) -> None:
        """Write the results manifest.

        Raises:
            PipelineError: it cannot be written.
        """
        # First, as a state that was lost under the run takes nothing any more: then only the results know.
        self._publisher.publish(assignment, records, self._facts.decisions, self.report.inputs)
        self._facts.store.save_assignment(served_by(assignment))

    def _publish(self) -> Assignment:
        """Write the last results manifest of this run, or note why that cannot be."""
        assignment, records = self._now()
        try:
            self._write(assignment, records)
        except PipelineError as error:
            self._is_published = False
            self.report.stop(error.exit_code, str(error))
        return assignment

    def _have_published(self) -> None:
        """Have the last word published too; also that a wave was given up."""
        if self._orders.checkpoint is None:
            return
        try:
            self._orders.checkpoint()
        except PipelineError as error:
            self.report.stop(error.exit_code, str(error))

    def _outcome(self, plan: Plan, assignment: Assignment) -> Outcome:
        report = self.report
        # A take that is not needed, as another is approved, is no unfinished job.
        selected = {each.key for each in plan.entries if each.action is not Action.PINNED or each.purchase}
        stopped = set(report.codes)
        if self._stop.code is not None:
            stopped.add(self._stop.code)
        threshold, enough = self._orders.fail_threshold, self._orders.enough
        code = exit_code(assignment, selected, stopped, report.inputs, report.blocked, threshold, enough)
        jobs = {
            job.key: standing(job, assignment, report.inputs, report.blocked)
            for job in assignment.jobs
            if job.key in selected
        }
        idle = (*assignment.earlier, *assignment.orphans)
        unsettled = tuple(each for each in idle if each.status is Status.ATTENTION)
        return Outcome(jobs, code, tuple(report.notes), unsettled, self._is_published)

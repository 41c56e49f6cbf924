"""Carries out one plan of one campaign, from planning to outcome. Prints nothing: its callers do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.engine.reporter import Reporter, RunReport, Stop
from pipeline.errors import InvalidInput, PipelineError, counted
from pipeline.files import LFS_POINTER
from pipeline.join import join_all
from pipeline.operations.background_publication import ResultsPublication
from pipeline.operations.clock import now
from pipeline.operations.decisions_during_run import DecisionsDuringRun
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.outcome import Outcome, outcome_of
from pipeline.operations.plan import plan_of
from pipeline.operations.published_results import OtherResults
from pipeline.operations.results_publisher import Publisher
from pipeline.operations.run_options import RunOptions, fail_threshold, run_settings, settings_of_shard
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unrecorded_decisions import assert_nothing_approved_is_bought
from pipeline.operations.webhooks import spool_of
from pipeline.operations.workspace import Workspace, cache_folder
from pipeline.planning.make import paid_for
from pipeline.planning.plan import FOREIGN, Plan
from pipeline.purchases import PurchaseId, Records, Status, with_approvals
from pipeline.report.stills import StillCache
from pipeline.state import look
from pipeline.state.recovery import may_be_identified
from pipeline.webhooks.receipt import Receipt, ReceiptInbox, Webhooks
from pipeline.webhooks.spool import SpoolReader

if TYPE_CHECKING:
    from pipeline.engine.run_settings import RunSettings
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.providers.base import Provider

_MAX_NAMED = 20


def require_records(state: CampaignState) -> None:
    """Check that at least one purchase is known: without any, a run would buy everything again.

    A state or results without purchases prove nothing: whatever wrote them may not have known the earlier purchases.

    Raises:
        InvalidInput: neither state nor results have one.
    """
    if not state.records.purchases:
        name = state.workspace.results_name
        what = "missing, and there is no state with a purchase"
        if state.results_version is not None:
            what = "has no purchases, and there is no state with any"
        raise InvalidInput(
            f"{name}: {what}; --require-results forbids a run that could buy everything again "
            "(see docs/reference/errors.md#missing-results)"
        )


@contextmanager
def open_for_run(
    workspace: Workspace, options: Callable[[CampaignState], RunOptions], *, frozen: bool
) -> Iterator[CampaignState]:
    """Open a campaign for a run with `options`; read-only if it is `frozen` and would have to buy.

    Raises:
        InvalidInput, UsageError, StateLocked: as `open_campaign` and `options` do.
    """
    # If the state is held, that is reported rather than what is still to be bought.
    if frozen and look.held_by(workspace.state, workspace.state_name) is None:
        with open_campaign(workspace, writable=False) as state:
            if CampaignRun(state, options(state)).plan().buying:
                yield state
                return
    with open_campaign(workspace, writable=True) as state:
        yield state


class CampaignRun:
    """Carries out plans of one campaign, with the lock held. `report` collects the reasons why it stopped."""

    def __init__(self, state: CampaignState, options: RunOptions, stop: Stop | None = None) -> None:
        self.report = RunReport()
        self._state = state
        self._options = options
        self._settings = run_settings(state.workspace.campaign, options)
        self._stop = stop or Stop()
        self._outputs = state.outputs()
        self._publisher = Publisher(state)
        # Its own: the publisher's reading of them must not hide from this run what has changed.
        self._other_results = OtherResults(state.workspace)
        self._decisions = DecisionsDuringRun(state, self._outputs, self.report)
        self._is_published = True
        self._webhooks = options.webhooks or Webhooks(inbox=ReceiptInbox())
        self._spool = SpoolReader(spool_of(state.workspace), self._webhooks.inbox)

    def plan(self) -> Plan:
        """The plan of a run; that of a shard is its part, and buys nothing if the whole exceeds a cap."""
        whole = plan_of(self._state, self._options.plan, self._settings.caps, self._outputs)
        if self._options.frozen:
            whole = replace(whole, retries=False)
        return whole if self._state.split is None else self._state.split.part_of(whole)

    def plan_of_collecting(self) -> Plan:
        """A plan that fetches what is paid for, and buys nothing."""
        selected = self._options.plan.selected
        known = self._state.records.purchases.values()
        paid = [each for each in known if selected is None or each.key in selected]
        return paid_for(self.plan(), paid, self._outputs.inventory.lacks)

    def report_altered(self, plan: Plan) -> None:
        """Report the files of jobs in `plan` that were altered on this machine, where nothing is downloaded."""
        paths = [
            path
            for entry in plan.entries
            if entry.presence in FOREIGN and entry.job is not None and entry.purchase is not None
            for path in self._outputs.inventory.altered(entry.purchase, entry.job)
        ]
        target, folder = self._state.workspace.target, self._state.workspace.output
        changed = (
            "differs from what was downloaded, so it is left alone; move it away, and "
            f"`pipeline collect {target}` downloads it again"
        )
        self.report.notes += [
            f"{shown_path(folder / path)}: {LFS_POINTER if self._outputs.index.is_lfs_pointer(path) else changed}"
            for path in paths[:_MAX_NAMED]
        ]
        if len(paths) > _MAX_NAMED:
            more = counted(len(paths) - _MAX_NAMED, "more file")
            self.report.notes.append(f"and {more}: `pipeline verify {target} --files` names all of them")

    def exceeded_limit(self, plan: Plan) -> str | None:
        """Why nothing in `plan` may be bought, if that is known beforehand: a cap, or `frozen`; else None."""
        if plan.buying and self._options.frozen:
            return f"{len(plan.buying):,} to buy, but --frozen: nothing was done"
        return plan.limit

    def carry_out(
        self,
        plan: Plan,
        open_reporter: Callable[[], AbstractContextManager[Reporter]],
        may_begin: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Carry out `plan` if `may_begin` returns True. However that ends, publish what is on disk then.

        `open_reporter` is called once there is something to report.

        Raises:
            AccountError: there is no key.
            InvalidInput: there is no such provider; or it would buy what is approved and not recorded here.
            Unfinished: files could not be written.
        """
        if not self._state.writable:
            # The campaign was opened read-only since there is something to buy: nothing is done.
            may_begin()
            self._is_published = False
            return self._outcome(plan, self._state)
        state, replaced = self._state, self._options.plan.replace
        assert_nothing_approved_is_bought(state.workspace, state.unrecorded, plan, replaced)
        has_begun = False
        try:
            if has_begun := may_begin():
                # Files that were found where another machine or a person put them.
                found, gone = self._outputs.index.changes()
                if found or gone:
                    self._state.store.index_files(found, gone)
                    self._outputs.index.forget_changes()
                self._execute(plan, open_reporter)
        finally:
            # A checkpoint command that hangs may have outlived the run.
            if self._options.checkpoint is not None:
                self._options.checkpoint.end()
            state = self._publish_last(has_begun=has_begun)
            self._run_last_checkpoint()
        return self._outcome(plan, self._with_others(state))

    def _execute(self, plan: Plan, open_reporter: Callable[[], AbstractContextManager[Reporter]]) -> None:
        if not plan.asks_vendor and not plan.moves_files and not self._receipt_may_identify():
            self._spool.forget([each for each in self._spool.look() if self._is_awaited(each)])
            return
        if plan.buying:
            self._publisher.assert_writable()
            if self._options.download:
                self._outputs.assert_writable()
        # Imported late: a run with nothing to do starts faster without the engine.
        from pipeline.engine.runner import Runner

        settings = self._settings_for(plan)
        with (
            self._workers(settings.concurrency) as workers,
            self._provider(workers) as provider,
            open_reporter() as reporter,
        ):
            runner = Runner(
                plan=plan,
                records=self._state.records,
                store=self._state.store,
                provider=self._options.observe(provider),
                ownership=self._state.ownership(),
                outputs=self._outputs,
                manifest_folder=self._state.workspace.campaign.manifest.parent,
                settings=settings,
                reporter=reporter,
                report=self.report,
                stop=self._stop,
                publication=self._publication,
                read_others=self._read_others,
                read_decisions=self._decisions.read,
                checkpoint=self._options.checkpoint,
                webhooks=self._webhooks,
                on_change=self._options.on_change,
                workers=workers,
                keep_still=self._keep_still,
            )
            try:
                with self._receipts(runner.is_polled):
                    runner.run()
            finally:
                self._spool.forget(runner.receipts_left_over())

    def _receipt_may_identify(self) -> bool:
        """Whether a stored receipt names the workflow of a purchase that has none."""
        known = self._state.records.purchases
        stored = [each for each in self._spool.look() if each.named and each.purchase in known]
        return any(may_be_identified(known[each.purchase]) for each in stored)

    def _is_awaited(self, receipt: Receipt) -> bool:
        """Whether a later run may need it, or another campaign with records in the same folder."""
        purchase = self._state.records.purchases.get(receipt.purchase)
        return purchase is None or purchase.status is Status.SUBMITTING or may_be_identified(purchase)

    def _receipts(self, is_polled: Callable[[PurchaseId], bool]) -> AbstractContextManager[None]:
        """Read the receipts that `serve` has stored, and keep reading them if webhooks are expected."""
        self._spool.look()
        return nullcontext() if self._options.webhooks is None else self._spool.watched(is_polled)

    def _read_others(self) -> Records:
        """Purchases that other machines have made since the run began, if the results have them."""
        theirs = self._publisher.others_wrote()
        # Without a checkpoint nothing keeps other parts from buying at the same time, so reading them proves nothing.
        if self._options.checkpoint is not None:
            theirs = join_all((theirs, *(each.records for each in self._other_results.read())))
        if not theirs.purchases:
            return theirs
        return Records(
            {each: theirs.purchases[each] for each in theirs.purchases.keys() - self._known_purchase_ids()}
        )

    def _known_purchase_ids(self) -> set[PurchaseId]:
        """Purchases that were known when the run began, and those that it made."""
        return self._state.records.purchases.keys() | self._state.store.recorded()

    def _settings_for(self, plan: Plan) -> RunSettings:
        """The settings of this run; a shard gets its share of the limits that apply to all shards together."""
        shard = self._state.workspace.shard
        if shard is None:
            return self._settings
        return settings_of_shard(self._settings, shard, plan)

    def _keep_still(self, digest: str, still: bytes) -> None:
        """Cache the still that a worker made of a file, so that the gallery need not read the file."""
        self._stills.add(digest, still)

    @cached_property
    def _stills(self) -> StillCache:
        return StillCache(cache_folder(self._state.workspace.campaign.manifest.parent))

    def _workers(self, calls: int) -> AbstractContextManager[Executor | None]:
        open_workers = self._options.open_workers
        return nullcontext() if open_workers is None else open_workers(calls)

    def _provider(self, workers: Executor | None) -> AbstractContextManager[Provider]:
        from pipeline.operations.provider import given_provider, vendor

        workspace, timeout = self._state.workspace, self._options.request_timeout
        given = self._options.provider
        if given is not None:
            name = workspace.campaign.provider.name
            return nullcontext(given_provider(given, name, workspace.environment))
        return vendor(workspace, timeout, workers)

    def _publication(self) -> ResultsPublication:
        """The results of what is on disk now. They are written first, and then noted in the state.

        If the run has lost its state, it can still write the results, and only these have the last changes.
        """
        return ResultsPublication(
            publisher=self._publisher,
            state=self._state,
            records=self._state.store.records(),
            inputs=dict(self.report.inputs),
            media=dict(self.report.media),
        )

    def _publish_last(self, *, has_begun: bool) -> CampaignState:
        """Write the last results manifest of this run, or report why it cannot be written.

        The results have the decisions made during the run. Its outcome has only the approvals among them: the plan
        knew of no decision, but what was approved does not count as unfinished.
        """
        state, inputs = self._state.reread(), self.report.inputs
        decided = self._decisions.latest(state)
        if has_begun:
            self._decisions.put_in_place(state, decided)
        # `merge` needs the results of every shard, including one that had nothing to buy.
        is_shard = has_begun and state.workspace.shard is not None
        try:
            if not self._publisher.is_current(decided, inputs):
                self._publisher.publish_all(
                    decided, inputs, self.report.media, may_go_on=self._may_go_on, also_empty=is_shard
                )
                self._publisher.note(decided, inputs, is_all=self._may_go_on())
            self._is_published = self._publisher.has_results
        except PipelineError as error:
            self._is_published = False
            self.report.add_reason(error.exit_code, str(error))
        return state.with_decisions(with_approvals(state.decisions, decided.decisions))

    def _may_go_on(self) -> bool:
        return self._stop.code is None

    def _run_last_checkpoint(self) -> None:
        """Publish the last results; they may also show that a wave was given up."""
        if self._options.checkpoint is None:
            return
        try:
            replace(self._options.checkpoint)()
        except PipelineError as error:
            self.report.add_reason(error.exit_code, str(error))

    def _with_others(self, state: CampaignState) -> CampaignState:
        """`state`, with the purchases that the last checkpoint fetched: one from another machine may serve a job."""
        try:
            found = self._read_others()
            if not found.purchases:
                return state
            state.store.absorb(Records(found.purchases), state.decisions, now())
        except PipelineError as error:
            self.report.add_reason(error.exit_code, str(error))
            return state
        return state.reread()

    def _outcome(self, plan: Plan, state: CampaignState) -> Outcome:
        return outcome_of(
            plan,
            state,
            before=self._state,
            report=self.report,
            stopped=self._stop.code,
            fail_threshold=fail_threshold(state.workspace.campaign, self._options),
            accepted=self._settings.accepted,
            published=self._is_published,
        )

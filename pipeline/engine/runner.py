"""Carries out a plan: assembles the parts of the engine, gives them their work, and runs them."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts.inventory import needed
from pipeline.engine.buy_queue import BuyQueue
from pipeline.engine.calls import CallPool, Clock, SystemClock, thread_pool
from pipeline.engine.checkpoint import Checkpoint, NoPublication, Publication, WavePublisher
from pipeline.engine.coordinator import Coordinator
from pipeline.engine.create import Creator
from pipeline.engine.downloader import Downloader
from pipeline.engine.durations import Durations, TimeLeft, time_left
from pipeline.engine.failures import Failures
from pipeline.engine.in_flight import InFlight
from pipeline.engine.journal import Journal
from pipeline.engine.latest_decisions import LatestDecisions
from pipeline.engine.other_machines import OtherMachines
from pipeline.engine.poller import Poller
from pipeline.engine.prepare import Preparer
from pipeline.engine.receipts import ReceiptHandler
from pipeline.engine.reporter import Listeners, Reporter, RunReport, Stop, tally_of
from pipeline.engine.served_jobs import ServedJobs
from pipeline.engine.updater import Updater
from pipeline.errors import ExitCode, PipelineError, counted
from pipeline.jobs import Job, template_names
from pipeline.planning.plan import Action, Plan, Presence
from pipeline.purchases import Decisions, Ownership, Purchase, PurchaseId, Records, Status
from pipeline.webhooks.receipt import Receipt, ReceiptInbox, Webhooks

if TYPE_CHECKING:
    from pipeline.artifacts.output_folder import OutputFolder
    from pipeline.engine.run_settings import RunSettings
    from pipeline.providers.base import Provider
    from pipeline.state.store import Change, Store


@dataclass(kw_only=True, eq=False)
class Runner:
    """Carries out `plan`, by default with threads of this process; `report` tells how it ended.

    `records` is what `store` holds; `ownership` proves that a workflow belongs to one of its purchases; local paths
    are relative to `manifest_folder`. `publication` returns the results as of what is on disk when it is called.
    `read_others` returns the purchases in the results that other machines have made since the run began, or raises a
    `PipelineError`. `read_decisions` returns the decisions in force, or None if they are those of the last time, at
    first of the plan. With a `checkpoint`, no create is sent before its intent is published. `open_executor` makes an
    executor of a given size; `workers`, if any, make the calls that may be repeated, outside this process;
    `keep_still` stores the still of a file, by its SHA-256. `webhooks` has the addresses for the vendor to call, and
    the receipts of its calls.
    """

    plan: Plan
    records: Records
    store: Store
    provider: Provider
    ownership: Ownership
    outputs: OutputFolder
    manifest_folder: Path
    settings: RunSettings
    reporter: Reporter
    report: RunReport
    stop: Stop
    publication: Callable[[], Publication] = NoPublication
    read_others: Callable[[], Records] = Records
    read_decisions: Callable[[], Decisions | None] = lambda: None
    checkpoint: Checkpoint | None = None
    webhooks: Webhooks = field(default_factory=lambda: Webhooks(inbox=ReceiptInbox()))
    on_change: Callable[[Change], None] = lambda _change: None
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.Random)
    new_id: Callable[[], str] = partial(secrets.token_hex, 8)
    open_executor: Callable[[int], AbstractContextManager[Executor]] = thread_pool
    workers: Executor | None = None
    keep_still: Callable[[str, bytes], object] = lambda _digest, _still: None
    _executor: Executor = field(init=False)
    _background: Executor = field(init=False)

    def run(self) -> None:
        """Do everything in the plan, or as much as can be done now; never raises for what the vendor does.

        If `reporter` or `on_change` raises an error, nothing more is bought, and it is raised at the end.
        """
        # Results are written by a single thread, because each thread that does so retains its peak memory.
        with (
            self.open_executor(self.settings.concurrency) as self._executor,
            self.open_executor(1) as self._background,
        ):
            self._put_files_in_place()
            self._enqueue()
            self._receipts.open()
            try:
                self._coordinator.run()
            finally:
                self._publisher.end()
        self._downloader.delete_leftovers()
        for template_id, entries in self._queue.held_back():
            number = f"{template_id}: {counted(len(entries), 'job')}"
            note = f"{number} not bought, as the first job of that template did not succeed"
            self.report.add_reason(ExitCode.FAILED, note)
        if again := self._failures.not_made_again():
            named = f"{', '.join(again[:3])}{f' and {len(again) - 3:,} more' if len(again) > 3 else ''}"
            self.report.notes.append(f"failed, and not bought again (retries), as the buying ended: {named}")
        if not_needed := self._creator.not_needed:
            of_it = "it" if not_needed == 1 else "each"
            self.report.notes.append(
                f"{counted(not_needed, 'job')} not bought: a take of {of_it} was approved during this run"
            )
        self._show()
        self._listeners.raise_error()

    # Work

    def _put_files_in_place(self) -> None:
        wanted = needed(self.plan.assignment)
        moves = [
            (entry, entry.job, entry.purchase)
            for entry in self.plan.entries
            if entry.presence is Presence.ELSEWHERE and entry.job is not None and entry.purchase is not None
        ]
        if moves:
            self.outputs.inventory.prefetch(wanted)
            self.outputs.announce((job, purchase) for _, job, purchase in moves)
        for entry, job, purchase in moves:
            if self.stop.code is not None:
                break  # copies may take long; the next run goes on
            try:
                self.outputs.put(job, purchase, wanted)
            except PipelineError as error:
                self.report.blocked[entry.key] = str(error)
                self.report.add_reason(error.exit_code, str(error))
            else:
                self._listeners.report(entry.key, "put in place")
        self._journal.flush()

    def _enqueue(self) -> None:
        self._queue.add(self.plan.buying)
        if not self.settings.wait:
            return
        for entry in self.plan.entries:
            if entry.wording is not None:
                self._updater.add(entry)
        actions = (Action.RESUME, Action.DOWNLOAD) if self.settings.download else (Action.RESUME,)
        under_way = {e.purchase.id: e.purchase for e in self.plan.of(*actions) if e.purchase}
        under_way.update({purchase.id: purchase for purchase in self.plan.followed})
        for purchase in under_way.values():
            self._in_flight.follow(purchase)

    def _follow(self, purchase: Purchase) -> None:
        if self.settings.wait:
            self._in_flight.follow(purchase)

    def _follow_bought(self, purchase: Purchase) -> None:
        if self.settings.wait:
            self._in_flight.follow(purchase, bought_here=True, has_webhook=self.webhooks.expects(purchase))

    def _succeeded(self, purchase: Purchase) -> None:
        # Release only what is chained to the jobs it serves; the key it was bought for may now be served by another
        # purchase.
        self._queue.succeeded(purchase.template_id, [job.key for job in self._served_jobs.of(purchase.id)])

    def _serve(self, job: Job, purchase: Purchase) -> None:
        """Let a purchase of an earlier run serve `job`, for which the plan has none."""
        self._served_jobs.add(job, purchase.id)
        self._served_jobs.note(purchase)
        self._in_flight.serves_another(purchase.id)
        if purchase.status in {Status.SUCCEEDED, Status.DONE}:
            self._succeeded(purchase)
        if purchase.status is Status.DONE:
            self._downloader.copy(purchase)

    # Progress

    def _show(self) -> None:
        tally = tally_of(
            self._served_jobs.counts,
            accepted=self.settings.accepted,
            credits_spent=self._journal.spent,
            unpriced=self._journal.unpriced,
            time_left=self._time_left,
        )
        self._listeners.show(tally)

    def _time_left(self) -> TimeLeft:
        if not self.settings.wait:
            return TimeLeft()
        canaries, in_flight = self._queue.canaries, self._in_flight
        waiting = self._served_jobs.waiting(canaries) if self._queue.is_open else {}
        chains = self._served_jobs.chains(canaries) if waiting else ()
        left = time_left(in_flight.durations, in_flight.ages(), waiting, self.settings.in_flight, chains)
        return left.named(self._template_names) if left.unseen else left

    @cached_property
    def _template_names(self) -> Mapping[str, str]:
        return template_names(self.plan.assignment.jobs)

    def _note_change(self, change: Change) -> None:
        self._served_jobs.note(change.after)
        if change.after.status is not Status.SUBMITTING:
            self._receipts.outcome_known(change.after)
        self._listeners.on_change(change)

    @property
    def is_polled(self) -> Callable[[PurchaseId], bool]:
        """Whether this run polls the workflow of a purchase until it ends; get this in the thread that runs it."""
        return self._in_flight.is_polled

    def receipts_left_over(self) -> list[Receipt]:
        """The receipts that the next run may need; call this when the run has ended."""
        return self._receipts.left_over()

    # The parts of the engine, each made once

    @cached_property
    def _listeners(self) -> Listeners:
        return Listeners(self.reporter, self.on_change)

    @cached_property
    def _calls(self) -> CallPool:
        return CallPool(
            clock=self.clock,
            limit=self.settings.concurrency,
            rate=self.settings.rate,
            executor=self._executor if self.workers is None else self.workers,
            local_executor=self._executor,
            background_executor=self._background,
        )

    @cached_property
    def _journal(self) -> Journal:
        return Journal(
            store=self.store,
            clock=self.clock,
            caps=self.settings.caps,
            records=self.records,
            outputs=self.outputs,
            warn=self._listeners.warn,
            on_change=self._note_change,
        )

    @cached_property
    def _served_jobs(self) -> ServedJobs:
        return ServedJobs(self.plan)

    @cached_property
    def _in_flight(self) -> InFlight:
        return InFlight(
            clock=self.clock,
            rng=self.rng,
            limit=self.settings.in_flight,
            max_poll_interval=self.settings.max_poll_interval,
            durations=Durations(dict(self.store.durations())),
            served_jobs=self._served_jobs,
            report=self.report,
        )

    @cached_property
    def _queue(self) -> BuyQueue:
        return BuyQueue(rng=self.rng, report=self.report, canary=self.settings.canary)

    @cached_property
    def _failures(self) -> Failures:
        return Failures(
            provider=self.provider,
            calls=self._calls,
            queue=self._queue,
            served_jobs=self._served_jobs,
            purchases=self._journal.purchases,
            matcher=self.plan.assignment.matcher,
            reporter=self._listeners,
            report=self.report,
            fail_fast=self.settings.fail_fast,
            retries=self.plan.retries,
            report_errors=self.settings.report_errors,
        )

    @cached_property
    def _poller(self) -> Poller:
        return Poller(
            provider=self.provider,
            calls=self._calls,
            clock=self.clock,
            journal=self._journal,
            in_flight=self._in_flight,
            served_jobs=self._served_jobs,
            reporter=self._listeners,
            downloader=self._downloader,
            downloads=self.settings.download,
            on_success=self._succeeded,
            on_failure=self._failures.add,
        )

    @cached_property
    def _downloader(self) -> Downloader:
        return Downloader(
            provider=self.provider,
            calls=self._calls,
            journal=self._journal,
            in_flight=self._in_flight,
            served_jobs=self._served_jobs,
            outputs=self.outputs,
            reporter=self._listeners,
            report=self.report,
            keep_still=self.keep_still,
        )

    @cached_property
    def _updater(self) -> Updater:
        return Updater(
            provider=self.provider,
            ownership=self.ownership,
            calls=self._calls,
            clock=self.clock,
            rng=self.rng,
            journal=self._journal,
            reporter=self._listeners,
            report=self.report,
        )

    @cached_property
    def _receipts(self) -> ReceiptHandler:
        return ReceiptHandler(
            provider=self.provider,
            calls=self._calls,
            journal=self._journal,
            in_flight=self._in_flight,
            queue=self._queue,
            reporter=self._listeners,
            inbox=self.webhooks.inbox,
            serve=self._serve,
            follow=self._follow,
        )

    @cached_property
    def _preparer(self) -> Preparer:
        return Preparer(
            provider=self.provider,
            calls=self._calls,
            clock=self.clock,
            queue=self._queue,
            in_flight=self._in_flight,
            served_jobs=self._served_jobs,
            purchases=self._journal.purchases,
            inventory=self.outputs.inventory,
            manifest_folder=self.manifest_folder,
            new_id=self.new_id,
            webhook_url=self.webhooks.url_for,
            on_input_failed=self._failures.add_input,
        )

    @cached_property
    def _creator(self) -> Creator:
        return Creator(
            provider=self.provider,
            calls=self._calls,
            clock=self.clock,
            journal=self._journal,
            queue=self._queue,
            preparer=self._preparer,
            in_flight=self._in_flight,
            served_jobs=self._served_jobs,
            publisher=self._publisher,
            others=self._others,
            decisions=self._decisions,
            reporter=self._listeners,
            is_held=self.store.is_held,
            is_in_doubt=self._receipts.is_in_doubt,
            hold=self._receipts.hold,
            on_bought=self._follow_bought,
            on_rejected=self._failures.add,
        )

    @cached_property
    def _publisher(self) -> WavePublisher:
        return WavePublisher(
            calls=self._calls,
            checkpoint=self.checkpoint,
            publication=self.publication,
            report=self.report,
        )

    @cached_property
    def _others(self) -> OtherMachines:
        return OtherMachines(
            read_others=self.read_others, journal=self._journal, assignment=self.plan.assignment
        )

    @cached_property
    def _decisions(self) -> LatestDecisions:
        return LatestDecisions(
            read=self.read_decisions, journal=self._journal, assignment=self.plan.assignment
        )

    @cached_property
    def _coordinator(self) -> Coordinator:
        return Coordinator(
            clock=self.clock,
            calls=self._calls,
            journal=self._journal,
            creator=self._creator,
            other_sources=(self._receipts, self._updater, self._poller),
            stop=self.stop,
            listeners=self._listeners,
            report=self.report,
            show=self._show,
        )

"""The coordinator: one loop that owns the schedule and the state, and hands calls to an executor.

Each turn takes in what came back, writes it down in one transaction, and only then hands out what follows.
There is no thread per job: thousands of workflows can be in flight with a few hands.
"""

from collections import Counter

from pipeline.artifacts.inventory import needed
from pipeline.engine import backoff
from pipeline.engine.buy_queue import Buying
from pipeline.engine.buyer import Purchasing
from pipeline.engine.publisher import Publishing
from pipeline.engine.reporter import Stop, Tally
from pipeline.engine.retry import Failures
from pipeline.engine.tracker import Tracker
from pipeline.engine.updating import Updating
from pipeline.engine.workplace import Workplace
from pipeline.errors import AccountError, ExitCode, PipelineError
from pipeline.jobs import JobKey
from pipeline.planning.plan import Action, Plan, Presence
from pipeline.purchases import Status

# Seconds that calls in the air are waited for after a signal; CI runners kill soon after.
DRAIN = 7.0
# Seconds between two results manifests, and between two looks at how the jobs stand.
PUBLISH_EVERY = 30.0
SHOW_EVERY = 0.5


class Run:
    """Carries out one plan."""

    def __init__(
        self,
        workplace: Workplace,
        plan: Plan,
        stop: Stop,
    ) -> None:
        self._at = workplace
        self._plan = plan
        self._stop = stop
        self._buying = Buying(workplace.rng, canary=workplace.settings.canary)
        self._following = Tracker(workplace, dict(workplace.store.durations()))
        wanted = {each for entry in plan.buying if entry.job is not None for each in entry.job.fingerprints}
        self._purchasing = Purchasing(workplace, self._buying, self._following, Publishing(workplace, wanted))
        self._failures = Failures(workplace, self._buying, self._purchasing, plan.assignment.matcher)
        self._updating = Updating(workplace)
        self._halted = False
        self._next_call = 0.0
        self._next_show = 0.0
        self._next_publish = workplace.clock.monotonic() + PUBLISH_EVERY

    def carry_out(self) -> None:
        """Do all that the plan says, or as much as can be done now; never raises for what the vendor does."""
        self._stop.on_request(self._at.calls.wake)
        self._put_files_in_place()
        self._enlist()
        try:
            while self._goes_on():
                self._turn(self._wait())
        finally:
            # Whatever happened: an answer that is in the air may name a workflow that is paid for.
            self._drain()
        for template, entries in self._buying.held_back():
            note = f"{template}: {len(entries):,} job(s) not bought, as the first of its kind did not succeed"
            self._at.report.stop(ExitCode.FAILED, note)
        self._show()

    def _enlist(self) -> None:
        self._buying.add(self._plan.buying)
        if not self._at.settings.wait:
            return
        for entry in self._plan.entries:
            if entry.wording is not None:
                self._updating.add(entry)
        following = (Action.RESUME, Action.DOWNLOAD) if self._at.settings.download else (Action.RESUME,)
        under_way = {e.purchase.id: e.purchase for e in self._plan.of(*following) if e.purchase}
        under_way.update({purchase.id: purchase for purchase in self._plan.followed})
        for purchase in under_way.values():
            self._following.follow(purchase)

    def _put_files_in_place(self) -> None:
        wanted = needed(self._plan.assignment)
        for entry in self._plan.entries:
            if entry.presence is not Presence.ELSEWHERE or entry.job is None or entry.purchase is None:
                continue
            try:
                self._at.outputs.put(entry.job, entry.purchase, wanted)
            except PipelineError as error:
                self._at.report.blocked[entry.key] = str(error)
                self._at.report.stop(error.exit_code, str(error))
            else:
                self._at.reporter.tell(entry.key, "put in place")
        self._keep_places()

    def _goes_on(self) -> bool:
        if self._halted or self._stop.code is not None:
            return False
        waits = (
            self._following.due_at(),
            self._updating.due_at(),
            self._purchasing.wakes_at(),
            self._buying.wakes_at(),
        )
        return not self._at.calls.is_empty or any(each is not None for each in waits)

    def _wait(self) -> float | None:
        """Seconds until something is to be done that no call brings about."""
        now = self._at.clock.monotonic()
        due = [self._next_publish]
        if not self._at.calls.is_full:
            calls = (self._following.due_at(), self._updating.due_at(), self._purchasing.wakes_at())
            due += [max(at, self._next_call) for at in calls if at is not None]
        return max(0.0, min(due) - now)

    def _turn(self, seconds: float | None) -> None:
        try:
            self._at.calls.take(seconds)
            self._at.journal.flush()
            self._after()
            self._hand_out()
            # What was handed out may have left intents: they are made durable, then published.
            self._at.journal.flush()
            self._purchasing.publish_wave()
        except AccountError as error:
            self._halt(ExitCode.ACCOUNT, str(error))
        except PipelineError as error:
            self._halt(error.exit_code, str(error))
        self._look_around()

    def _halt(self, code: ExitCode, note: str) -> None:
        """Nothing more can be done in this run."""
        self._halted = True
        self._purchasing.stop(code, note)

    def _hand_out(self) -> None:
        """Hand out what is due: what is paid for comes first."""
        while not self._at.calls.is_full and not self._halted and self._stop.code is None:
            now = self._at.clock.monotonic()
            if now < self._next_call or not self._hand_out_one():
                return
            self._next_call = now + backoff.SPACING

    def _hand_out_one(self) -> bool:
        return self._following.hand_out() or self._updating.hand_out() or self._purchasing.hand_out()

    def _after(self) -> None:
        """What ended in this turn sets others going."""
        for purchase in self._following.succeeded:
            self._buying.succeeded(purchase.template_id)
            # Only what it serves: what hangs on the key that it was bought for may wait for another one.
            for job in self._at.served_jobs.of(purchase.id):
                self._buying.made(job.key)
        for purchase in self._following.failed:
            self._failures.take_in(purchase)
        self._following.succeeded.clear()
        self._following.failed.clear()
        self._keep_places()
        if ExitCode.ACCOUNT in self._at.report.codes:
            self._halted = True

    def _keep_places(self) -> None:
        placed, removed = self._at.outputs.index.news()
        if placed or removed:
            self._at.store.index_files(placed, removed)

    def _drain(self) -> None:
        """Take in the calls that are still in the air: each may have bought something."""
        limit = None if self._stop.code is None else self._at.clock.monotonic() + DRAIN
        self._buying.stopped = True
        self._take_in(0.0)
        if self._stop.code is not None and not self._at.calls.is_empty:
            self._at.reporter.warn(
                f"stopping: nothing more is sent, what is in the air is waited for, at most {DRAIN:.0f} seconds"
            )
        while not self._at.calls.is_empty:
            if limit is not None and self._at.clock.monotonic() >= limit:
                self._at.report.stop(ExitCode.UNFINISHED, "some calls had not ended when the time was up")
                return
            self._take_in(1.0)
            limit = limit or (None if self._stop.code is None else self._at.clock.monotonic() + DRAIN)

    def _take_in(self, seconds: float) -> None:
        try:
            try:
                self._at.calls.take(seconds)
            finally:
                # Also where that raised: what came in before may name a workflow that is paid for.
                self._purchasing.withdraw()
                self._at.journal.flush()
                self._after()
        except PipelineError as error:
            self._halt(error.exit_code, str(error))

    def _look_around(self) -> None:
        now = self._at.clock.monotonic()
        if now >= self._next_show:
            self._next_show = now + SHOW_EVERY
            self._show()
        if now >= self._next_publish:
            self._next_publish = now + PUBLISH_EVERY
            self._publish()

    def _publish(self) -> None:
        """Write the results manifest, and have it published; that it cannot be written now ends no run."""
        try:
            self._at.publish()
        except PipelineError as error:
            self._at.report.stop(error.exit_code, str(error))
        self._purchasing.publish()

    def _show(self) -> None:
        counts: Counter[str] = Counter()
        for entry in self._plan.entries:
            if entry.action is not Action.ORPHAN:
                counts[self._standing(entry.key)] += 1
        self._at.reporter.show(Tally(counts.total(), counts, self._at.journal.spent))

    def _standing(self, key: JobKey) -> str:
        if key in self._at.report.inputs:
            return Status.FAILED.value
        purchase_id = self._at.served_jobs.assignment.get(key)
        purchase = None if purchase_id is None else self._at.journal.purchases.get(purchase_id)
        return purchase.status.value if purchase is not None else "pending"

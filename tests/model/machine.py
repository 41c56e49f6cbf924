"""One machine: its state, its checkout of the repository, and a run that may be killed at any step."""

import itertools
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from model.manifest import CREDITS, Manifest
from model.oracle import Oracle
from model.vendor import CreateResult, PollResult, Vendor
from pipeline.assignment import Assignment, assign
from pipeline.engine.buy_queue import BuyQueue
from pipeline.engine.calls import CallPool
from pipeline.engine.create import event_for, new_purchase
from pipeline.engine.failures import Failures
from pipeline.engine.reporter import RunReport, Tally
from pipeline.engine.served_jobs import ServedJobs
from pipeline.jobs import Job, JobKey
from pipeline.json_values import Json
from pipeline.operations.record_assignment import served_by, taken_over
from pipeline.planning.make import make
from pipeline.planning.plan import ALL, Action, Entry, Plan, PlanOptions
from pipeline.providers.base import AccountRefused, NotSent, Provider
from pipeline.purchases import (
    OUTCOME_UNKNOWN,
    UNDECIDED,
    Decisions,
    Output,
    Purchase,
    PurchaseId,
    Reason,
    Records,
    Status,
    WorkflowId,
    all_served_next,
)
from pipeline.results.document import Builder, Heading
from pipeline.results.file import ResultsFile, read, write
from pipeline.results.merge import merge_results
from pipeline.state import transitions as life
from pipeline.state.events import (
    Accepted,
    Event,
    Fetched,
    Finished,
    NothingBought,
    PartlyFetched,
    Superseded,
    Vanished,
    VendorFailed,
)
from pipeline.state.recovery import absorb, recovery

HEADING = Heading(campaign="spring", manifest="campaign.yaml", output="output/spring", tool="pipeline 1")
LISTED = (
    Output("video/mp4", url="https://media.example/film.mp4"),
    Output("image/png", url="https://media.example/still.png"),
)
_ADVANCE = {status: rank for rank, status in enumerate(Status)}
FETCHED = tuple(
    replace(each, sha256=digit * 64, bytes=1000) for each, digit in zip(LISTED, "cd", strict=True)
)


class Killed(Exception):
    """The machine lost power."""


class RunChoices(Protocol):
    """The random choices of a run. `survives` is called wherever a run may be killed."""

    def survives(self) -> bool: ...

    def buys_next(self) -> bool: ...

    def create_result(self) -> CreateResult: ...

    def poll_result(self) -> PollResult: ...

    def file_arrives(self, index: int) -> bool: ...

    def push_succeeds(self) -> bool: ...


@dataclass
class Checkout:
    """A copy of the repository: the manifest, the decisions, and the results file at `path`."""

    path: Path
    manifest: Manifest
    decisions: Decisions = UNDECIDED
    results: ResultsFile | None = None

    def records(self) -> Records:
        return self.results.records if self.results is not None else Records()

    def write(self, document: Mapping[str, Json]) -> None:
        """Write the results, and read them back with their schema, as any other command would."""
        write(self.path, document, None)
        self.results = read(self.path, self.path.name)

    def lose_results(self) -> None:
        self.path.unlink(missing_ok=True)
        self.results = None

    def take_results_of(self, other: "Checkout") -> None:
        """Merge the other checkout's results into these, as git's merge driver does."""
        sides = [each.results for each in (self, other) if each.results is not None]
        if sides:
            before = self.records()
            self.write(merge_results(sides, HEADING.tool))
            assert_nothing_forgotten(self.records(), before, other.records())


def assert_nothing_forgotten(after: Records, *before: Records) -> None:
    """Assert that no purchase, status or workflow known in `before` is lost."""
    for purchase_id, purchase in (
        (purchase_id, each) for records in before for purchase_id, each in records.purchases.items()
    ):
        assert purchase_id in after.purchases, f"{purchase_id} is forgotten"
        now = after.purchases[purchase_id]
        assert purchase.workflow_id in (None, now.workflow_id), f"the workflow of {purchase_id} is forgotten"
        if now.workflow_id == purchase.workflow_id:
            assert _ADVANCE[now.status] >= _ADVANCE[purchase.status], (
                f"what {purchase_id} came to is forgotten"
            )
            for output, before_it in zip(now.outputs, purchase.outputs, strict=False):
                assert output.sha256 is not None or before_it.sha256 is None, (
                    f"a file of {purchase_id} is forgotten"
                )
        assert now.deleted >= purchase.deleted, f"that {purchase_id} was deleted is forgotten"
        assert now.again >= purchase.again, f"that {purchase_id} is to be bought again is forgotten"


def under_way(plan: Plan) -> Iterator[Purchase]:
    """The purchases that a run follows to their end, besides those it makes."""
    for entry in plan.of(Action.RESUME, Action.DOWNLOAD):
        if entry.purchase is not None:
            yield entry.purchase
    yield from plan.followed


class Machine:
    """A machine on which commands are run. `clock` counts minutes, the same on all machines except for `hour`."""

    def __init__(self, checkout: Checkout, vendor: Vendor, clock: "itertools.count[int]", hour: int) -> None:
        self.checkout = checkout
        self.vendor = vendor
        self.state = Records()
        self.failures_when_decided: dict[PurchaseId, int] = {}
        self.files: dict[PurchaseId, set[int]] = {}
        self._rescued: dict[PurchaseId, WorkflowId] = {}
        self._clock = clock
        self._hour = hour

    def forget(self) -> None:
        """Lose the state and the files, as on a CI runner, but keep the checkout."""
        self.state = Records()
        self.files = {}
        self._rescued = {}

    def jobs(self) -> list[Job]:
        return self.checkout.manifest.jobs()

    def oracle(self) -> Oracle:
        return Oracle({job.key: job for job in self.jobs()}, self.state, self.checkout.decisions)

    def takes(self, purchase: Purchase) -> list[Purchase]:
        """All purchases with the same request as `purchase` except void ones, the oldest first."""
        asked = (purchase.fingerprint, purchase.inputs)
        known = self.state.purchases.values()
        same = [each for each in known if (each.fingerprint, each.inputs) == asked]
        return sorted((each for each in same if each.status is not Status.VOID), key=lambda each: each.age)

    # How every command that writes begins and ends

    def open(self) -> Assignment:
        """Recover, merge the results, and assign purchases to jobs."""
        before, theirs = self.state, self.checkout.records()
        recovered = {purchase_id: self._recovered(each) for purchase_id, each in before.purchases.items()}
        joined = absorb(replace(before, purchases=recovered), theirs, self.checkout.decisions)
        assert_nothing_forgotten(joined, before, theirs)
        self.state = joined
        self._assert_holds_nothing_paid_for_void()
        return self._serve()

    def _assert_holds_nothing_paid_for_void(self) -> None:
        for purchase in self.state.purchases.values():
            nothing = purchase.status is Status.VOID or purchase.reason is Reason.REJECTED
            assert not (nothing and purchase.id in self.vendor.workflows), f"{purchase.id} was paid for"

    def _recovered(self, purchase: Purchase) -> Purchase:
        event = recovery(purchase, self._rescued.get(purchase.id))
        return purchase if event is None else life.advance(purchase, event)

    def _serve(self) -> Assignment:
        assignment = assign(self.jobs(), self.state, self.checkout.decisions)
        changed = {each.after.id: each.after for each in taken_over(assignment, "2026-01-01T00:00:00Z")}
        self.state = replace(self.state, purchases={**self.state.purchases, **changed})
        assignment = assign(assignment.jobs, self.state, self.checkout.decisions)
        served = served_by(assignment)
        self.state = replace(self.state, served=all_served_next(self.state.served, served))
        self._assert_serves_what_is_usable(assignment)
        return assignment

    def _assert_serves_what_is_usable(self, assignment: Assignment) -> None:
        oracle = self.oracle()
        for job in assignment.jobs:
            purchase = assignment.by_key.get(job.key)
            if purchase is None:
                assert not oracle.is_served(job), f"{job.key}: something fits and does not serve"
            else:
                assert oracle.is_usable(purchase), f"{purchase.id} serves and must not"
                assert oracle.may_serve(purchase, job), f"{purchase.id} does not fit {job.key}"
                if purchase.status is Status.FAILED and purchase.id not in self.checkout.decisions.approved:
                    self._assert_is_last_attempt(purchase, job, oracle)

    def _assert_is_last_attempt(self, failed: Purchase, job: Job, oracle: Oracle) -> None:
        for each in self.state.purchases.values():
            is_later = each.inputs == failed.inputs and each.age > failed.age
            if each.status is not Status.FAILED or is_later:
                assert not oracle.may_serve(each, job), f"{failed.id} serves, and {each.id} does not"

    def publish(self) -> None:
        """Write the results manifest of the state."""
        before = self.checkout.records()
        self.checkout.write(self.document())
        assert_nothing_forgotten(self.checkout.records(), before)
        paid = {
            purchase_id
            for purchase_id, each in self.state.purchases.items()
            if each.status is not Status.VOID
        }
        assert paid <= self.checkout.records().purchases.keys()

    def document(self) -> dict[str, Json]:
        assignment, results = self._serve(), self.checkout.results
        told = results.published if results is not None else frozenset()
        return Builder().build(
            HEADING,
            assignment=assignment,
            records=self.state,
            decisions=self.checkout.decisions,
            published=told,
        )

    def happens(self, purchase_id: PurchaseId, event: Event) -> Purchase:
        """Apply an event to a purchase and write it to the state."""
        after = life.advance(self.state.purchases[purchase_id], event)
        self.state = replace(self.state, purchases={**self.state.purchases, purchase_id: after})
        return after

    # A run

    def plan(self, asked: PlanOptions = ALL) -> Plan:
        plan = make(self.open(), {}, asked)
        self._assert_follows_all_that_is_paid(plan, asked.selected)
        for entry in plan.of(Action.SHARE):
            buyer = plan.entry(JobKey(entry.buyer or ""))
            assert buyer is not None
            assert buyer.buys, f"{entry.key} shares what is never bought"
        return plan

    def _assert_follows_all_that_is_paid(self, plan: Plan, selected: Collection[JobKey] | None) -> None:
        followed = {each.id for each in under_way(plan)}
        served: dict[PurchaseId, set[JobKey]] = {}
        for key, purchase in plan.assignment.by_key.items():
            served.setdefault(purchase.id, set()).add(key)
        for purchase in self.state.purchases.values():
            # A purchase belongs to the jobs that it serves, or else to the one that it was bought for.
            keys = served.get(purchase.id, {purchase.key})
            if selected is not None and not keys & set(selected):
                continue
            if purchase.status in {Status.SUBMITTED, Status.SUCCEEDED} and not purchase.deleted:
                assert purchase.id in followed, f"{purchase.id} is paid for and not followed"

    def run(self, choices: RunChoices, push: Callable[[], None] | None, asked: PlanOptions = ALL) -> None:
        """Carry out a plan step by step; with `push`, intents are published before they are sent."""
        plan = self.plan(asked)
        try:
            _Run(self, plan, asked, choices, push).carry_out()
        except Killed:
            return
        self.publish()
        if push is not None:
            push()

    def may_replace(self, assignment: Assignment, key: JobKey) -> bool:
        """Whether `--replace` accepts the job: nothing is approved, and no outcome is unknown."""
        serving = assignment.by_key.get(key)
        found = [] if serving is None else [serving, *assignment.matcher.matching(key)]
        is_approved = serving is not None and serving.id in self.checkout.decisions.approved
        return not is_approved and not any(each.status in OUTCOME_UNKNOWN for each in found)

    def intend(self, entry: Entry, job: Job, source: Purchase | None, asked: PlanOptions) -> Purchase:
        """Record the intent of one create, after asserting that it is not a duplicate."""
        self._assert_asked_for(entry, job, asked)
        for purchase_id in entry.supersedes:
            status = self.state.purchases[purchase_id].status
            assert status not in OUTCOME_UNKNOWN, f"{purchase_id} is {status} and is made again"
            self.happens(purchase_id, Superseded())
        tick = next(self._clock)
        when = f"2026-01-{1 + tick // 1440:02}T{(self._hour + tick // 60) % 24:02}:{tick % 60:02}:00Z"
        purchase = new_purchase(job, PurchaseId(f"{tick:016x}"), source, when)
        self._assert_may_buy(job, purchase, is_retry=entry.action is Action.RETRY)
        self.state = replace(self.state, purchases={**self.state.purchases, purchase.id: purchase})
        return purchase

    def _assert_asked_for(self, entry: Entry, job: Job, asked: PlanOptions) -> None:
        """Assert that the job is selected, and that a retry was requested and is not yet made for a saved plan."""
        assert asked.selected is None or entry.key in asked.selected, f"{entry.key} is not selected"
        if entry.action is not Action.RETRY:
            assert entry.key not in asked.carried_out, f"a saved plan buys {entry.key} again"
            return
        if not asked.retry_failed or entry.key in asked.carried_out:
            assert entry.purchase is not None
            # A purchase that was replaced while it was under way may fail after a retry was decided.
            failed = self.failures_when_decided[entry.purchase.id]
            assert 0 < failed <= job.retries, f"{entry.key} is bought again after {failed} failures"

    def _assert_may_buy(self, job: Job, new: Purchase, *, is_retry: bool) -> None:
        """Assert that no known purchase would serve the job, except a failed one that is retried."""
        oracle = self.oracle()
        for old in self.state.purchases.values():
            same = (old.fingerprint, old.inputs) == (new.fingerprint, new.inputs) and oracle.is_usable(old)
            if same or oracle.may_serve(old, job):
                failed = is_retry and old.status is Status.FAILED
                assert failed, f"{job.key} is bought as {new.id}, though {old.id} serves it"
        if job.upstream is not None:
            matcher = assign(self.jobs(), self.state, self.checkout.decisions).matcher
            now = matcher.source(job)
            assert now is not None
            assert new.inputs == (now.id,), f"{job.key} is made from what does not serve its upstream"
            assert now.status in {Status.SUCCEEDED, Status.DONE}

    def rescue(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Keep a workflow id beside the state, which could not be written."""
        self._rescued[purchase_id] = workflow_id


class _CurrentPurchases(Mapping[PurchaseId, Purchase]):
    """The purchases of a machine as they are now."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __getitem__(self, purchase_id: PurchaseId) -> Purchase:
        return self._machine.state.purchases[purchase_id]

    def __iter__(self) -> Iterator[PurchaseId]:
        return iter(self._machine.state.purchases)

    def __len__(self) -> int:
        return len(self._machine.state.purchases)


class _Silent:
    """A reporter that reports nothing."""

    redraw_interval = None

    def show(self, tally: Tally) -> None:
        pass

    def report(self, key: JobKey, what: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass


class _Run:
    """What the engine's coordinator does, step by step."""

    def __init__(
        self,
        machine: Machine,
        plan: Plan,
        asked: PlanOptions,
        choices: RunChoices,
        push: Callable[[], None] | None,
    ) -> None:
        self._machine = machine
        self._served_jobs = ServedJobs(plan)
        self._asked = asked
        self._choices = choices
        self._push = push
        self._queue = BuyQueue(rng=random.Random(0), report=RunReport())
        self._queue.add(plan.buying)
        for entry in plan.of(Action.RETRY):
            self._count_failures(entry.purchase)
        self._failures = Failures(
            provider=cast("Provider", None),
            calls=cast("CallPool", None),
            queue=self._queue,
            served_jobs=self._served_jobs,
            purchases=_CurrentPurchases(machine),
            matcher=plan.assignment.matcher,
            reporter=_Silent(),
            report=RunReport(),
            retries=True,
            fail_fast=False,
            report_errors=False,
        )
        self._under_way = list({each.id: None for each in under_way(plan)})

    def _count_failures(self, failed: Purchase | None) -> None:
        """Note how often the request of a failed purchase has failed, now that its retry is decided."""
        if failed is not None:
            tried = (failed.fingerprint, failed.inputs, Reason.VENDOR)
            known = self._machine.state.purchases.values()
            number = sum((each.fingerprint, each.inputs, each.reason) == tried for each in known)
            self._machine.failures_when_decided[failed.id] = number

    def _add_failure(self, failed: Purchase) -> None:
        self._count_failures(failed)
        self._failures.add(failed)

    def carry_out(self) -> None:
        while True:
            entry = self._next()
            if entry is not None and entry.job is not None:
                self._buy(entry, entry.job)
            elif self._under_way:
                self._poll(self._under_way.pop(0))
            else:
                return

    def _next(self) -> Entry | None:
        if self._under_way and not self._choices.buys_next():
            return None
        return self._queue.next(float("inf"))

    def _may_die(self) -> None:
        if not self._choices.survives():
            raise Killed

    def _buy(self, entry: Entry, job: Job) -> None:
        self._may_die()
        source = entry.source or self._machine.state.purchases.get(
            self._served_jobs.by_key.get(job.upstream or JobKey(""), PurchaseId(""))
        )
        purchase = self._machine.intend(entry, job, source, self._asked)
        self._served_jobs.add(job, purchase.id)
        self._may_die()
        if not self._publish_intent():
            self._machine.happens(purchase.id, NothingBought("its intent could not be published"))
            self._served_jobs.remove(purchase.id)
            self._queue.end()
            return
        outcome = self._machine.vendor.create(purchase, self._choices.create_result())
        self._lose_or_record(purchase, event_for(outcome))
        if self._machine.state.purchases[purchase.id].status is Status.VOID:
            self._served_jobs.remove(purchase.id)
        if isinstance(outcome, AccountRefused):
            self._queue.end()
        elif isinstance(outcome, NotSent):
            self._queue.put_back(entry, 0.0, 1)

    def _publish_intent(self) -> bool:
        if self._push is None:
            return True
        self._machine.publish()
        self._may_die()
        if not self._choices.push_succeeds():
            return False
        self._push()
        return True

    def _lose_or_record(self, purchase: Purchase, event: Event) -> None:
        self._may_die()
        if isinstance(event, Accepted) and not self._choices.survives():
            self._machine.rescue(purchase.id, event.workflow_id)
            raise Killed
        after = self._machine.happens(purchase.id, event)
        if after.status is Status.FAILED:
            self._add_failure(after)
        if after.status is Status.SUBMITTED:
            self._under_way.append(after.id)
        self._may_die()

    def _poll(self, purchase_id: PurchaseId) -> None:
        self._may_die()
        purchase = self._machine.state.purchases[purchase_id]
        if purchase.status is Status.SUCCEEDED:
            self._fetch(purchase)
            return
        match self._choices.poll_result():
            case PollResult.RUNNING:
                return
            case PollResult.SUCCESS:
                self._machine.happens(purchase_id, Finished(LISTED, credits=CREDITS))
                self._under_way.append(purchase_id)
                keys = [job.key for job in self._served_jobs.of(purchase_id)]
                self._queue.succeeded(purchase.template_id, keys)
            case PollResult.FAIL:
                failed = self._machine.happens(purchase_id, VendorFailed("the vendor says: fail"))
                self._add_failure(failed)
            case PollResult.VANISHED:
                self._machine.happens(purchase_id, Vanished("404"))

    def _fetch(self, purchase: Purchase) -> None:
        """Fetch the files that are not here; those that do not arrive are left to the next run, here or elsewhere."""
        here = self._machine.files.setdefault(purchase.id, set())
        arrived = {
            index for index in range(len(FETCHED)) if index not in here and self._choices.file_arrives(index)
        }
        self._may_die()
        here |= arrived
        if len(here) == len(FETCHED):
            self._machine.happens(purchase.id, Fetched(FETCHED))
        elif arrived:
            outputs = enumerate(purchase.outputs)
            known = tuple(FETCHED[index] if index in here else output for index, output in outputs)
            self._machine.happens(purchase.id, PartlyFetched(known))

"""Random histories of a campaign on two machines: never pay twice, never lose a result.

People edit, swap, rename, revert, approve, reject, send back and delete; two machines run, are killed, lose their
state, lag behind and share their results by git. The invariants are asserted at every step, in `model.machine`.
"""

import itertools
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from model.edits import FIRST, Edit, Written, edits, rows, with_a_row
from model.machine import Checkout, Machine, RunChoices
from model.manifest import Manifest
from model.vendor import CreateResult, PollResult, Vendor
from pipeline.jobs import JobKey
from pipeline.planning.plan import BUYING, Action, PlanArguments, PlanOptions
from pipeline.planning.saved_plan import SavedPlan, carried_out, departures, from_json, to_json
from pipeline.planning.send_back import failures_in_place
from pipeline.purchases import Decisions, Purchase, PurchaseId, Status, WorkflowId
from pipeline.results.decisions import Verdict
from pipeline.state.events import Deleted, Event, GivenUp, Identified, Superseded

T = TypeVar("T")
K = TypeVar("K", bound=str)

NUMBERS = st.integers(0, 99)
# Most creates succeed and many workflows outlast a run, as otherwise there would be little to lose.
CREATE_RESULTS = [*[CreateResult.BOUGHT] * 4, *CreateResult]
POLL_RESULTS = [PollResult.RUNNING, PollResult.RUNNING, PollResult.SUCCESS, *PollResult]

machines = st.sampled_from([0, 1])


@dataclass(frozen=True)
class PlanFlags:
    """The options of a plan as numbers: which keys are selected (None: all) and which are replaced."""

    select: list[int] | None
    replace: list[int]
    retry_failed: bool


asks = st.builds(
    PlanFlags,
    select=st.none() | st.lists(NUMBERS, min_size=1, max_size=3),
    replace=st.lists(NUMBERS, max_size=2),
    retry_failed=st.booleans(),
)


@dataclass
class DrawnRunChoices:
    """The choices of one run, drawn as it proceeds. It dies at the `dies_at`-th opportunity, if ever."""

    data: st.DataObject
    dies_at: int | None

    def survives(self) -> bool:
        if self.dies_at is None:
            return True
        self.dies_at -= 1
        return self.dies_at >= 0

    def buys_next(self) -> bool:
        return self.data.draw(st.booleans(), "buys next")

    def create_result(self) -> CreateResult:
        create_result: CreateResult = self.data.draw(st.sampled_from(CREATE_RESULTS), "create_result")
        return create_result

    def poll_result(self) -> PollResult:
        poll_result: PollResult = self.data.draw(st.sampled_from(POLL_RESULTS), "poll_result")
        return poll_result

    def file_arrives(self, index: int) -> bool:
        return self.data.draw(st.booleans(), f"file {index} arrives")

    def push_succeeds(self) -> bool:
        return self.data.draw(st.booleans(), "push succeeds")


class Fair:
    """Everything goes well."""

    def survives(self) -> bool:
        return True

    def buys_next(self) -> bool:
        return False

    def create_result(self) -> CreateResult:
        return CreateResult.BOUGHT

    def poll_result(self) -> PollResult:
        return PollResult.SUCCESS

    def file_arrives(self, index: int) -> bool:
        return True

    def push_succeeds(self) -> bool:
        return True


class FetchesOnly(Fair):
    """Everything goes well, but no file arrives except the one of that index."""

    def __init__(self, index: int | None = None) -> None:
        self.index = index

    def file_arrives(self, index: int) -> bool:
        return index == self.index


class Unlucky(Fair):
    """Every workflow fails."""

    def poll_result(self) -> PollResult:
        return PollResult.FAIL


class Broke(Fair):
    """Every create is refused for lack of credit."""

    def create_result(self) -> CreateResult:
        return CreateResult.NO_CREDIT


class Histories(RuleBasedStateMachine):
    """`head` is the head in git; each machine has a checkout of it that may be outdated."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="histories-"))
        manifest = FIRST
        self.head = Checkout(self.folder / "head.results.json", manifest)
        self.versions = [manifest]
        self.vendor = Vendor()
        self.saved: list[str] = []
        clock = itertools.count(1)
        self.machines = [
            Machine(Checkout(self.folder / f"{name}.results.json", manifest), self.vendor, clock, hour)
            for name, hour in (("a", 0), ("b", 5))
        ]

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def edit(self, manifest: Manifest) -> None:
        self.head.manifest = manifest
        self.versions.append(manifest)

    # Edits of the manifest

    @initialize(written=st.lists(rows, min_size=3, max_size=5))
    def write_the_manifest(self, written: list[Written]) -> None:
        for row in written:
            self.edit(with_a_row(self.head.manifest, row))
        self.everyone_pulls()

    @rule(edited=edits())
    def someone_edits(self, edited: Edit) -> None:
        self.edit(edited(self.head.manifest))

    @rule(edited=edits())
    def someone_edits_and_everyone_pulls(self, edited: Edit) -> None:
        self.edit(edited(self.head.manifest))
        self.everyone_pulls()

    @rule(which=NUMBERS)
    def someone_reverts(self, which: int) -> None:
        self.edit(self.versions[which % len(self.versions)])

    # Decisions, resolutions and deletions

    @precondition(lambda self: self.head.records().purchases)
    @rule(which=NUMBERS, key=st.none() | NUMBERS)
    def someone_approves(self, which: int, key: int | None) -> None:
        """Approve it for the job that it was bought for, or for another existing one."""
        purchase = _pick(self.head.records().purchases, which)
        job = None if key is None else _pick({each.key: each for each in self.head.manifest.jobs()}, key)
        if purchase is not None:
            self.decide(purchase, Verdict.APPROVED, job.key if job is not None else None)

    @precondition(lambda self: self.head.records().purchases)
    @rule(which=NUMBERS)
    def someone_wants_a_redo(self, which: int) -> None:
        purchase = _pick(self.head.records().purchases, which)
        if purchase is not None:
            self.decide(purchase, Verdict.REDO)

    @rule(number=machines, which=NUMBERS)
    def someone_rejects(self, number: int, which: int) -> None:
        """A rejection alone buys nothing, unless it withdraws a decision or a newer take was sent back."""
        self.pull(number)
        machine = self.machines[number]
        buying = {entry.key for entry in machine.plan().buying}
        purchase, said = _pick(machine.state.purchases, which), machine.checkout.decisions
        if purchase is None:
            return
        self.decide(purchase, Verdict.REJECTED)
        self.pull(number)
        sent_back = any(each.id in said.redo and each.age > purchase.age for each in machine.takes(purchase))
        if purchase.id not in {*said.approved, *said.redo} and not sent_back:
            now = {entry.key for entry in machine.plan().buying}
            assert now == buying, f"{purchase.id} is rejected, which buys {now - buying}"

    @rule(number=machines, which=NUMBERS)
    def someone_rejects_all_takes_of_a_request_and_sends_the_newest_back(
        self, number: int, which: int
    ) -> None:
        """None of them serves any more, and one new take is bought, which is kept even if it is rejected too."""
        self.pull(number)
        machine = self.machines[number]
        machine.open()
        known = machine.state.purchases.items()
        purchase = _pick({each: bought for each, bought in known if bought.status is not Status.VOID}, which)
        if purchase is None:
            return
        *earlier, newest = takes = machine.takes(purchase)
        if newest.status in (Status.SUBMITTING, Status.ATTENTION):
            return  # it is not made again before its outcome is known
        for take in earlier:
            self.decide(take, Verdict.REJECTED)
        self.decide(newest, Verdict.REDO)
        self.pull(number)
        serving = {each.id for each in machine.open().by_key.values()} & {each.id for each in takes}
        assert not serving, f"{serving} serve, though a newer take was sent back"
        machine.run(Fair(), None)
        bought = [each for each in machine.takes(purchase) if each.id not in {take.id for take in takes}]
        assert len(bought) <= 1, f"what was sent back once is bought {len(bought)} times"
        for take in bought:
            self.decide(take, Verdict.REJECTED)
        self.push(number)
        self.pull(number)
        machine.run(Fair(), None)
        assert len(machine.takes(purchase)) == len(takes) + len(bought), "what is rejected is bought again"

    @precondition(lambda self: len(self.versions) % 3 == 1)
    @rule(number=machines, which=NUMBERS)
    def someone_sends_back_what_serves_a_job(self, number: int, which: int) -> None:
        """It is made again once, whatever failed before; if that fails too, it is not bought again."""
        self.pull(number)
        machine = self.machines[number]
        machine.run(Unlucky(), None)
        machine.run(Fair(), None, PlanOptions(retry_failed=True))
        matching, by_key = machine.open().matcher.matching, machine.open().by_key
        done = {key: key for key, each in by_key.items() if each.status is Status.DONE}
        after_failures = {
            key: key for key in done if any(each.status is Status.FAILED for each in matching(key))
        }
        key = _pick(after_failures or done, which)
        if key is None:
            return
        serving = by_key[key]
        further = [each for _, each in failures_in_place(machine.open(), {serving.id})]
        assert all(each.status is Status.FAILED for each in further)
        for each in (serving, *further):
            self.decide(each, Verdict.REDO)
        self.pull(number)
        now = machine.open().by_key.get(key)
        if now is not None:  # another take of the same request, or one that may have been bought
            assert now.status is not Status.FAILED, f"{key} is sent back, and {now.id}, which failed, serves"
            return
        entry = machine.plan().entry(key)
        assert entry is not None
        assert entry.action in {Action.REPLACE, Action.SHARE, Action.WAIT, Action.PINNED}, entry.action
        bought = len(machine.takes(serving))
        machine.run(Unlucky(), None)
        after = machine.takes(serving)
        assert len(after) <= bought + 1 + max((job.retries for job in machine.jobs()), default=0)
        assert not {each.key for each in machine.plan().of(Action.REPLACE, Action.CREATE)} & {
            each.key for each in after[bought:]
        }, "a replacement that failed is bought again"

    @precondition(lambda self: len(self.versions) % 3 == 2)
    @rule(number=machines, which=NUMBERS, is_broke=st.booleans())
    def someone_replaces_a_take_and_prefers_it_after_all(
        self, number: int, which: int, is_broke: bool
    ) -> None:
        """Once approved, it serves again although marked; only jobs chained to it may have to be bought."""
        self.pull(number)
        machine = self.machines[number]
        machine.run(Fair(), None)
        assignment = machine.open()
        replaceable = {
            key: each
            for key, each in assignment.by_key.items()
            if each.status is Status.DONE and machine.may_replace(assignment, key)
        }
        key = _pick({each: each for each in replaceable}, which)
        if key is None:
            return
        old = replaceable[key]
        asked = PlanOptions(replace=frozenset({key}))
        if (entry := machine.plan(asked).entry(key)) is not None and entry.action is Action.PINNED:
            return  # another take is approved, so nothing more is bought of this one
        machine.run(Broke() if is_broke else Fair(), None, asked)
        assert machine.state.purchases[old.id].again
        buying = {entry.key for entry in machine.plan().buying}
        self.decide(old, Verdict.APPROVED, key)
        self.pull(number)
        plan = machine.plan()
        assert plan.assignment.by_key[key].id == old.id, f"{old.id} is approved and does not serve {key}"
        more = {entry.key for entry in plan.buying if entry.job is not None and entry.job.upstream is None}
        assert more <= buying, f"{old.id} is approved, which buys {more - buying}"
        takes = machine.takes(old)
        machine.run(Fair(), None)
        assert machine.takes(old) == takes, f"{old.id} is approved and bought again"

    def decide(self, purchase: Purchase, verdict: Verdict, key: JobKey | None = None) -> None:
        """Decide on a purchase: the last decision counts."""
        said, of = self.head.decisions, {purchase.id}
        approved = {each: job for each, job in said.approved.items() if each != purchase.id}
        if verdict is Verdict.APPROVED:
            approved[purchase.id] = key or purchase.key
        self.head.decisions = Decisions(
            approved,
            said.rejected - of | (of if verdict is Verdict.REJECTED else set()),
            said.redo - of | (of if verdict is Verdict.REDO else set()),
            {**said.order, purchase.id: max(said.order.values(), default=0) + 1},
        )

    @precondition(lambda self: self.head.decisions != Decisions())
    @rule()
    def all_decisions_are_withdrawn(self) -> None:
        self.head.decisions = Decisions()

    @rule(number=machines, which=NUMBERS, again=st.booleans())
    def someone_resolves(self, number: int, which: int, again: bool) -> None:
        """A person checks the vendor's site: the workflow is there, or the purchase is given up."""
        unknown = self.purchases_on(number, Status.ATTENTION)
        purchase = _pick(unknown, which)
        if purchase is not None:
            workflow = self.vendor.workflows.get(purchase.id)
            given_up = GivenUp("given up by hand", again)
            self.happens(
                number, purchase, Identified(WorkflowId(workflow)) if workflow is not None else given_up
            )

    @rule(number=machines, which=NUMBERS)
    def someone_deletes(self, number: int, which: int) -> None:
        purchase = _pick(self.purchases_on(number, Status.DONE, Status.FAILED), which)
        if purchase is not None:
            self.happens(number, purchase, Deleted())

    @rule(number=machines, which=NUMBERS)
    def someone_flags_one_to_be_bought_again(self, number: int, which: int) -> None:
        purchase = _pick(self.purchases_on(number, *set(Status) - {Status.VOID}), which)
        if purchase is not None:
            self.happens(number, purchase, Superseded())

    def purchases_on(self, number: int, *statuses: Status) -> dict[PurchaseId, Purchase]:
        machine = self.machines[number]
        machine.open()
        held = machine.state.purchases
        return {
            purchase_id: purchase for purchase_id, purchase in held.items() if purchase.status in statuses
        }

    def happens(self, number: int, purchase: Purchase, event: Event) -> None:
        self.machines[number].happens(purchase.id, event)
        self.machines[number].publish()

    # Machines

    @rule(number=machines)
    def pull(self, number: int) -> None:
        checkout = self.machines[number].checkout
        checkout.manifest, checkout.decisions = self.head.manifest, self.head.decisions
        checkout.take_results_of(self.head)

    @rule(number=machines)
    def push(self, number: int) -> None:
        self.head.take_results_of(self.machines[number].checkout)

    @rule(number=machines, clone=st.booleans())
    def forget(self, number: int, clone: bool) -> None:
        machine = self.machines[number]
        machine.forget()
        if clone:
            machine.checkout.lose_results()
            self.pull(number)

    def everyone_pulls(self) -> None:
        for number in (0, 1):
            self.pull(number)

    @rule(number=machines, data=st.data(), asked=asks)
    def run_to_its_end(self, number: int, data: st.DataObject, asked: PlanFlags) -> None:
        self.machines[number].run(DrawnRunChoices(data, None), None, self.options(number, asked))

    @rule(number=machines, data=st.data(), asked=asks, dies_at=st.integers(0, 15))
    def run_that_dies(self, number: int, data: st.DataObject, asked: PlanFlags, dies_at: int) -> None:
        self.machines[number].run(DrawnRunChoices(data, dies_at), None, self.options(number, asked))

    @rule(number=machines, data=st.data(), asked=asks, dies_at=st.none() | st.integers(0, 20))
    def run_with_a_checkpoint(
        self, number: int, data: st.DataObject, asked: PlanFlags, dies_at: int | None
    ) -> None:
        self.pull(number)
        options = self.options(number, asked)
        self.machines[number].run(DrawnRunChoices(data, dies_at), lambda: self.push(number), options)

    def options(self, number: int, asked: PlanFlags) -> PlanOptions:
        """The options for what this machine knows, without jobs that may not be replaced."""
        machine = self.machines[number]
        assignment = machine.open()
        known = {job.key: job.key for job in assignment.jobs} | {
            each.key: each.key for each in assignment.orphans
        }
        served = {key: key for key in assignment.by_key if machine.may_replace(assignment, key)}
        again = frozenset(key for each in asked.replace if (key := _pick(served, each)) is not None)
        if asked.select is None or not known:
            return PlanOptions(replace=again, retry_failed=asked.retry_failed)
        selected = frozenset(key for each in asked.select if (key := _pick(known, each)) is not None)
        return PlanOptions(selected=selected, replace=again & selected, retry_failed=asked.retry_failed)

    # Saved plans

    @rule(number=machines, asked=asks)
    def someone_saves_a_plan(self, number: int, asked: PlanFlags) -> None:
        options = self.options(number, asked)
        arguments = PlanArguments(
            select=tuple(sorted(options.selected or ())),
            replace=tuple(sorted(options.replace)),
            retry_failed=options.retry_failed,
        )
        saved = SavedPlan(campaign="spring", manifest="campaign.yaml", emulated=False, arguments=arguments)
        self.saved.append(json.dumps(to_json(saved, self.machines[number].plan(options))))

    @precondition(lambda self: self.saved)
    @rule(number=machines, which=NUMBERS, data=st.data(), dies_at=st.none() | st.integers(0, 15))
    def a_saved_plan_is_carried_out(
        self, number: int, which: int, data: st.DataObject, dies_at: int | None
    ) -> None:
        saved = from_json(json.loads(self.saved[which % len(self.saved)]))
        self.carry_out(number, saved, DrawnRunChoices(data, dies_at))

    @rule(number=machines, asked=asks, data=st.data(), dies_at=st.none() | st.integers(0, 15))
    def a_saved_plan_that_was_stopped_is_carried_out_elsewhere_and_buys_nothing_again(
        self, number: int, asked: PlanFlags, data: st.DataObject, dies_at: int | None
    ) -> None:
        self.pull(number)
        self.someone_saves_a_plan(number, asked)
        saved = from_json(json.loads(self.saved[-1]))
        self.carry_out(number, saved, DrawnRunChoices(data, dies_at))
        self.carry_out(1 - number, saved, Fair())
        for each in (number, 1 - number):
            self.pull(each)
            options = self.options_of(each, saved)
            if options is not None:
                machine = self.machines[each]
                buying = {e.key for e in machine.plan(options).buying if e.action is not Action.RETRY}
                again = buying & bought_under(saved, machine)
                assert not again, f"a saved plan buys {again} again"

    def carry_out(self, number: int, saved: SavedPlan, choices: RunChoices) -> None:
        """Carry out a saved plan on an up-to-date machine, unless a change forbids it."""
        self.pull(number)
        options = self.options_of(number, saved)
        if options is not None:
            self.machines[number].run(choices, lambda: self.push(number), options)

    def options_of(self, number: int, saved: SavedPlan) -> PlanOptions | None:
        """The options of a saved plan on a machine; None if a change forbids it."""
        machine = self.machines[number]
        assignment = machine.open()
        done = carried_out(saved, machine.state)
        known = {job.key for job in assignment.jobs} | {each.key for each in assignment.orphans}
        options = PlanOptions(
            selected=frozenset(map(JobKey, saved.arguments.select)) & known
            if saved.arguments.select
            else None,
            replace=(frozenset(map(JobKey, saved.arguments.replace)) & known) - done,
            retry_failed=saved.arguments.retry_failed,
            carried_out=done,
        )
        if not all(machine.may_replace(assignment, key) for key in options.replace):
            return None
        return None if list(departures(saved, machine.plan(options))) else options

    @precondition(lambda self: len(self.versions) % 3 == 0)
    @rule(number=machines)
    def all_goes_well_and_nothing_is_left_to_buy(self, number: int) -> None:
        machine, other = self.machines[number], self.machines[1 - number]
        self.exchange()
        machine.run(Fair(), None)
        assert not machine.plan().buying, "a second run buys again"
        sent = set(self.vendor.sent)
        machine.run(Fair(), None)
        assert self.vendor.sent == sent
        self.exchange()
        assert not other.plan().buying, "another machine that knows the same buys again"

    @precondition(lambda self: len(self.versions) % 3 == 1)
    @rule(number=machines)
    def two_machines_fetch_different_files(self, number: int) -> None:
        """Once they exchange their results, both know of all of them; `take_results_of` checks that."""
        self.exchange()
        self.machines[number].run(FetchesOnly(), None)
        self.exchange()
        self.machines[number].run(FetchesOnly(0), None)
        self.machines[1 - number].run(FetchesOnly(1), None)
        self.exchange()

    def exchange(self) -> None:
        """Both machines publish and merge the other's results, and end with the same bytes."""
        for step in (self.write_results, self.push, self.pull, self.write_results):
            for number in (0, 1):
                step(number)
        documents = [each.checkout.path.read_bytes() for each in self.machines]
        assert documents[0] == documents[1], "two machines that know the same write different results"
        self.write_results(0)
        assert self.machines[0].checkout.path.read_bytes() == documents[0]

    def write_results(self, number: int) -> None:
        self.machines[number].open()
        self.machines[number].publish()


def bought_under(saved: SavedPlan, machine: Machine) -> set[JobKey]:
    """The jobs of a saved plan that have been bought since, as far as the machine knows."""
    purchases = [each for each in machine.state.purchases.values() if each.status is not Status.VOID]
    return {
        action.key
        for action in saved.actions
        if action.action in BUYING
        and action.bought < sum((e.key, e.fingerprint) == (action.key, action.fingerprint) for e in purchases)
    }


def _pick(values: Mapping[K, T], number: int) -> T | None:
    """One of `values`, the same for the same number in any order."""
    return values[sorted(values)[number % len(values)]] if values else None


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    stateful_step_count=40,
    print_blob=True,
    # The same histories in every test run, and new ones in a soak.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

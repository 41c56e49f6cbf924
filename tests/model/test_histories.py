"""Random histories of a campaign on two machines: never pay twice, never lose a result.

People edit, swap, rename, revert, approve and delete; two machines run, die, forget, are late, and share their
results by git. What must hold is asserted at every step, in `model.machine`.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from model.machine import Checkout, Machine
from model.manifest import Manifest, Row
from model.vendor import Ending, Fate, Vendor
from pipeline.purchases import Decisions, Purchase, Status
from pipeline.state import machine as life

T = TypeVar("T")

TEXTS = st.sampled_from(["she walks", "she dances"])
CONTENTS = st.sampled_from(["a" * 64, "b" * 64])
RULES = st.sampled_from(["hero", "teaser"])
NUMBERS = st.integers(0, 99)
DEEPEST = 3
MOST_ROWS = 6

rows = st.tuples(RULES, NUMBERS, NUMBERS, st.none() | NUMBERS, st.sampled_from([1, 1, 1, 2]))
machines = st.sampled_from([0, 1])


@dataclass
class Fortune:
    """The luck of one run: what it draws as it goes. It dies at the `dies_at`-th chance, if ever."""

    data: st.DataObject
    dies_at: int | None

    def lives_on(self) -> bool:
        if self.dies_at is None:
            return True
        self.dies_at -= 1
        return self.dies_at >= 0

    def buys_next(self) -> bool:
        return self.data.draw(st.booleans(), "buys next")

    def fate(self) -> Fate:
        fate: Fate = self.data.draw(st.sampled_from([Fate.BOUGHT, *Fate]), "fate")
        return fate

    def ending(self) -> Ending:
        ending: Ending = self.data.draw(st.sampled_from([Ending.SUCCESS, *Ending]), "ending")
        return ending

    def push_succeeds(self) -> bool:
        return self.data.draw(st.booleans(), "push succeeds")


class Fair:
    """Everything goes well."""

    def lives_on(self) -> bool:
        return True

    def buys_next(self) -> bool:
        return False

    def fate(self) -> Fate:
        return Fate.BOUGHT

    def ending(self) -> Ending:
        return Ending.SUCCESS

    def push_succeeds(self) -> bool:
        return True


class Histories(RuleBasedStateMachine):
    """`head` is what git holds; each machine has a checkout of it that may be old."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="histories-"))
        manifest = Manifest(
            {"walk": "she walks", "dance": "she dances", "run": "she runs"},
            {"blue": "a" * 64, "red": "b" * 64},
        )
        self.head = Checkout(self.folder / "head.results.json", manifest)
        self.versions = [manifest]
        self.vendor = Vendor()
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

    # The manifest is edited

    @initialize(written=st.lists(rows, min_size=2, max_size=4))
    def write_the_manifest(self, written: list[tuple[str, int, int, int | None, int]]) -> None:
        for row in written:
            self.add_a_job(row)
        for number in (0, 1):
            self.pull(number)

    @rule(written=rows)
    def add_a_job(self, written: tuple[str, int, int, int | None, int]) -> None:
        rule_name, prompt, image, upstream, take = written
        manifest = self.head.manifest
        if len(manifest.rows) >= MOST_ROWS:
            return
        above = None if upstream is None else _pick(list(manifest.rows), upstream)
        if above is not None and manifest.depth(above) >= DEEPEST:
            above = None
        names, images = list(manifest.prompts), list(manifest.images)
        row = Row(rule_name, names[prompt % len(names)], images[image % len(images)], above, take)
        self.edit(manifest.with_row(row))

    @rule(which=NUMBERS)
    def remove_a_job(self, which: int) -> None:
        row = _pick(list(self.head.manifest.rows), which)
        if row is not None:
            self.edit(self.head.manifest.without_row(row))

    @rule(which=NUMBERS, to=RULES)
    def move_a_job_to_another_rule(self, which: int, to: str) -> None:
        row = _pick(list(self.head.manifest.rows), which)
        if row is not None:
            self.edit(self.head.manifest.with_row_moved(row, to))

    @rule(which=NUMBERS, text=TEXTS)
    def change_a_prompt(self, which: int, text: str) -> None:
        names = list(self.head.manifest.prompts)
        self.edit(self.head.manifest.with_prompt(names[which % len(names)], text))

    @rule(which=NUMBERS, content=CONTENTS)
    def change_an_image(self, which: int, content: str) -> None:
        names = list(self.head.manifest.images)
        self.edit(self.head.manifest.with_image(names[which % len(names)], content))

    @rule(one=NUMBERS, other=NUMBERS)
    def swap_two_prompts(self, one: int, other: int) -> None:
        names = list(self.head.manifest.prompts)
        self.edit(self.head.manifest.with_prompts_swapped(names[one % 3], names[other % 3]))

    @rule(which=NUMBERS, new=st.sampled_from(["stroll", "waltz"]))
    def rename_a_prompt(self, which: int, new: str) -> None:
        names = list(self.head.manifest.prompts)
        if new not in names:
            self.edit(self.head.manifest.with_prompt_renamed(names[which % 3], new))

    @rule(which=NUMBERS, new=st.sampled_from(["sky", "rose"]))
    def rename_an_image(self, which: int, new: str) -> None:
        names = list(self.head.manifest.images)
        if new not in names:
            self.edit(self.head.manifest.with_image_renamed(names[which % 2], new))

    @rule(which=NUMBERS)
    def revert(self, which: int) -> None:
        self.edit(self.versions[which % len(self.versions)])

    # People decide, settle and delete

    @precondition(lambda self: self.head.records().purchases)
    @rule(which=NUMBERS, key=st.none() | NUMBERS)
    def approve(self, which: int, key: int | None) -> None:
        """For the job that it was bought for, or for another that there is."""
        purchase = _pick(_by_id(self.head.records().purchases.values()), which)
        job = None if key is None else _pick(self.head.manifest.jobs(), key)
        if purchase is not None:
            said = self.head.decisions
            approved = {**said.approved, purchase.id: job.name if job is not None else purchase.key}
            self.head.decisions = replace(said, approved=approved, redo=said.redo - {purchase.id})

    @precondition(lambda self: self.head.records().purchases)
    @rule(which=NUMBERS)
    def redo(self, which: int) -> None:
        purchase = _pick(_by_id(self.head.records().purchases.values()), which)
        if purchase is not None:
            said = self.head.decisions
            approved = {mark: key for mark, key in said.approved.items() if mark != purchase.id}
            self.head.decisions = Decisions(approved, said.rejected, said.redo | {purchase.id})

    @precondition(lambda self: self.head.decisions != Decisions())
    @rule()
    def withdraw_all_decisions(self) -> None:
        self.head.decisions = Decisions()

    @rule(number=machines, which=NUMBERS, again=st.booleans())
    def resolve(self, number: int, which: int, again: bool) -> None:
        """A person looks at the vendor's site: the workflow is there, or the purchase is given up."""
        machine = self.machines[number]
        machine.open()
        unknown = [each for each in machine.state.purchases.values() if each.status is Status.ATTENTION]
        purchase = _pick(_by_id(unknown), which)
        if purchase is None:
            return
        workflow = self.vendor.workflows.get(purchase.id)
        given_up = life.GivenUp("given up by hand", again)
        machine.happens(purchase.id, life.Identified(workflow) if workflow is not None else given_up)
        machine.publish()

    @rule(number=machines, which=NUMBERS)
    def delete_one_that_has_ended(self, number: int, which: int) -> None:
        machine = self.machines[number]
        machine.open()
        ended = {Status.DONE, Status.FAILED}
        purchase = _pick(
            _by_id(each for each in machine.state.purchases.values() if each.status in ended), which
        )
        if purchase is not None:
            machine.happens(purchase.id, life.Deleted())
            machine.publish()

    @rule(number=machines, which=NUMBERS)
    def mark_one_to_be_made_again(self, number: int, which: int) -> None:
        machine = self.machines[number]
        machine.open()
        real = [each for each in machine.state.purchases.values() if each.status is not Status.VOID]
        purchase = _pick(_by_id(real), which)
        if purchase is not None:
            machine.happens(purchase.id, life.MarkedAgain())
            machine.publish()

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

    @rule(
        number=machines,
        data=st.data(),
        dies_at=st.none() | st.integers(0, 12),
        publishes=st.booleans(),
        pulls=st.booleans(),
    )
    def run(
        self, number: int, data: st.DataObject, dies_at: int | None, publishes: bool, pulls: bool
    ) -> None:
        if pulls:
            self.pull(number)
        fortune = Fortune(data, dies_at)
        self.machines[number].run(fortune, (lambda: self.push(number)) if publishes else None)

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

    def exchange(self) -> None:
        """Both machines publish, and take what the other knows: they end with the same bytes."""
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


def _pick(values: Sequence[T], number: int) -> T | None:
    return values[number % len(values)] if values else None


def _by_id(purchases: Iterable[Purchase]) -> list[Purchase]:
    return sorted(purchases, key=lambda each: each.id)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    stateful_step_count=40,
    print_blob=True,
    # The same histories in every run of the tests; when soaked, new ones.
    derandomize=settings.get_current_profile_name() == "default",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

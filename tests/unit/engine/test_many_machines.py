"""Random histories, step by step, of machines that share only what they publish.

Each machine is a thread. Only one runs at a time, from one point at which a run may die to the next; chance
decides which one runs and which one dies there. Between these points it is the real run on real records: only
the vendor, the clock and the remote are in memory.
"""

import random
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.campaigns import campaign
from support.chance import seed_of_tests
from support.protection import fails_without

from engine.harness import RecordingReporter
from engine.simulation import FakeClock, FakeExecutor
from engine.vendor import FILM, Script, ScriptedProvider, running, success
from pipeline import failpoints
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.runner import Runner
from pipeline.errors import ExitCode, Unfinished
from pipeline.manifest.load import load
from pipeline.operations.environment import Environment
from pipeline.operations.merge import merge_files
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.run import CampaignRun
from pipeline.operations.run_options import RunOptions
from pipeline.operations.workspace import workspace_of
from pipeline.planning.plan import PlanOptions
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    CreateRequest,
    JobRefused,
    NotSent,
    OutcomeUnknown,
)
from pipeline.purchases import Purchase, PurchaseId, Status, WorkflowId
from pipeline.results.file import read

SEED = seed_of_tests()
HISTORIES = 24
PRICE = 100
_ID = re.compile("[0-9a-f]{16}")
# Seconds to wait for a step before the machines count as hanging.
_PATIENCE = 60.0


# The machine that runs in each thread.
HERE = threading.local()


class Killed(BaseException):
    """The machine is gone."""


class Turns:
    """Lets one thread run at a time: each stops at `reach`, and continues or dies as the history decides."""

    def __init__(self) -> None:
        self._back = threading.Semaphore(0)

    def begin(self, machine: "Machine") -> None:
        """Start a machine, up to its first point."""

        def lives() -> None:
            HERE.machine = machine
            try:
                self.reach("begin")
                machine.run()
            except Killed:
                pass
            except BaseException as error:
                machine.world.broken.append(f"{machine.name}: {error!r}")
            finally:
                machine.has_ended = True
                self._back.release()

        machine.thread = threading.Thread(target=lives, daemon=True)
        machine.thread.start()
        self._wait()

    def reach(self, point: str) -> None:
        """A point at which a machine may die, or others may run first."""
        machine = getattr(HERE, "machine", None)
        # A killed process would lose its connection to the state; here the thread itself must close it.
        if machine is not None and point != "before folding":
            if not machine.is_killed:
                self._back.release()
                machine.goes_on.acquire()
            if machine.is_killed:
                raise Killed

    def step(self, machine: "Machine") -> None:
        """Let a machine run to the next such point, or to its end."""
        machine.goes_on.release()
        self._wait()

    def _wait(self) -> None:
        assert self._back.acquire(timeout=_PATIENCE), "a machine hangs"


@dataclass
class World:
    """What machines share: the vendor, and what is published. `broken` lists broken promises."""

    rng: random.Random
    folder: Path
    budget: int
    turns: Turns = field(default_factory=Turns)
    broken: list[str] = field(default_factory=list)
    published: bytes | None = None
    revision: int = 0
    codes: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.vendor = Vendor(self)

    def purchases(self) -> Mapping[PurchaseId, Purchase]:
        """The published purchases, by id."""
        if self.published is None:
            return {}
        copy = self.folder / "published.json"
        copy.write_bytes(self.published)
        found = read(copy, copy.name)
        assert found is not None
        return found.records.purchases


def named_in(title: str) -> PurchaseId:
    """The id of the purchase that a title names."""
    found = _ID.search(title)
    assert found is not None
    return PurchaseId(found[0])


class Vendor(ScriptedProvider):
    """A vendor that fails at times, and checks what it sells."""

    def __init__(self, world: World) -> None:
        super().__init__(lambda: 0.0, name="vimmerse")
        self._world = world
        self.poll_answers = Script(lambda _: running(10) if world.rng.random() < 0.3 else success(FILM))
        self.sent: set[str] = set()
        self.paid: list[str] = []

    def create(self, request: CreateRequest) -> CreateOutcome:
        purchase_id, world = named_in(request.title), self._world
        if purchase_id in self.sent:
            world.broken.append(f"{request.title} was sent twice")
        if purchase_id not in world.purchases():
            world.broken.append(f"{request.title} was sent before it was published")
        self.sent.add(purchase_id)
        chance = world.rng.random()
        if chance < 0.08:
            return NotSent("refused")
        if chance < 0.12:
            return JobRefused("422")
        if chance < 0.14:
            return AccountRefused(AccountProblem.CREDIT, "402")
        return self._sold(request, is_answered=chance > 0.2)

    def _sold(self, request: CreateRequest, *, is_answered: bool) -> CreateOutcome:
        self.paid.append(request.title.partition(" (")[0])
        if len(self.paid) * PRICE > self._world.budget:
            self._world.broken.append(f"{len(self.paid)} bought with a budget of {self._world.budget}")
        workflow_id = WorkflowId(f"wf-{len(self.paid)}")
        self._workflows[workflow_id] = request
        return Bought(workflow_id) if is_answered else OutcomeUnknown("time-out")


@dataclass(frozen=True)
class Command(Checkpoint):
    """A checkpoint of a machine: it merges what others published, and publishes unless another was faster."""

    does: Callable[[], None] = lambda: None
    ends: Callable[[], None] = lambda: None
    command: str = ""

    def __call__(self) -> None:
        self.does()

    def end(self) -> None:
        self.ends()


@dataclass(eq=False)
class Machine:
    """A clone of the campaign, and a run of it for the jobs of `rules`; `base` is the last published state it saw."""

    world: World
    name: str
    folder: Path
    rules: tuple[str, ...]
    base: int
    clock: FakeClock = field(default_factory=lambda: FakeClock(FakeExecutor()))
    goes_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None
    is_killed: bool = False
    has_ended: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.folder / "spring.results.json"

    def runner(self, **given: Any) -> Runner:
        """A runner without a clock of its own."""
        rng = self.world.rng
        return Runner(
            **given,
            clock=self.clock,
            rng=random.Random(rng.random()),
            new_id=lambda: f"{rng.getrandbits(64):016x}",
            open_executor=self.clock.executor.pool,
        )

    def run(self) -> None:
        workspace = workspace_of(load(self.folder / "campaign.yaml"), RecordPaths(), Environment({}))
        with open_campaign(workspace, writable=True) as state:
            keys = frozenset(job.key for job in state.jobs if job.key.partition("/")[0] in self.rules)
            options = RunOptions(
                plan=PlanOptions(selected=keys),
                in_flight=self.world.rng.choice((1, 2, 3)),
                download=False,
                provider=self.world.vendor,
                checkpoint=Command(does=self.publish, ends=self.command_ends),
            )
            run = CampaignRun(state, options)
            plan = run.plan()
            if run.exceeded_limit(plan) is None:
                ended = run.carry_out(plan, lambda: nullcontext(RecordingReporter()))
                self.world.codes[int(ended.code)] += 1

    def command_ends(self) -> None:
        """End the command: from now on only the run writes the results."""
        self.told.append("end")

    def publish(self) -> None:
        """Merge what others published, and publish; any step may fail or be the last."""
        world = self.world
        self.told.append("publish")
        world.turns.reach("publish")
        while self.base != world.revision:
            fetched, published = world.revision, world.published
            if published is not None:
                theirs = self.folder / "theirs.json"
                theirs.write_bytes(published)
                merge_files([self.results, theirs], self.results)
            self.base = fetched
            world.turns.reach("joined")
        if world.rng.random() < 0.04:
            raise Unfinished("the push was refused")
        world.revision += 1
        world.published, self.base = self.results.read_bytes(), world.revision
        world.turns.reach("pushed")
        if world.rng.random() < 0.04:
            raise Unfinished("the answer to the push was lost")

    def dies(self) -> "Machine | None":
        """Lose the machine; its disk may come back."""
        copy = self.folder.with_name(f"{self.name}-again")
        shutil.copytree(self.folder, copy)
        self.is_killed = True
        self.world.turns.step(self)
        assert self.has_ended
        return Machine(self.world, copy.name, copy, self.rules, self.base)


MANIFEST: dict[str, Any] = {
    "version": 1,
    "name": "spring",
    "templates": {"loop": {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}"}}},
    "image_sets": {"shoes": ["images/red.png"]},
    "prompts": {f"p{number}": f"take {number}" for number in range(3)},
    "jobs": [
        *({"id": rule, "options": {"prompt": rule + " {{ prompt }}"}} for rule in ("one", "two", "three")),
        {"id": "same", "options": {"prompt": "one {{ prompt }}"}},
    ],
}
RULES = ("one", "two", "three", "same")


@contextmanager
def armed(turns: Turns) -> Iterator[None]:
    failpoints.arm(turns.reach)
    try:
        yield
    finally:
        failpoints.arm(None)


def clone(world: World, name: str) -> Machine:
    """A machine that knows what is published, and runs some of the jobs."""
    folder = world.folder / name
    campaign(folder, {"campaign.yaml": {**MANIFEST, "limits": {"budget": world.budget}}})
    if world.published is not None:
        (folder / "spring.results.json").write_bytes(world.published)
    rules = tuple(world.rng.sample(RULES, world.rng.randint(1, 2)))
    return Machine(world, name, folder, rules, world.revision)


def play(world: World, machines: list[Machine]) -> list[Machine]:
    """Run them in random order until each has ended or died; returns the machines that come back."""
    come_back: list[Machine] = []
    for machine in machines:
        world.turns.begin(machine)
    while live := [each for each in machines if not each.has_ended]:
        machine = world.rng.choice(live)
        if world.rng.random() < 0.01:
            again = machine.dies()
            if again is not None and world.rng.random() < 0.5:
                come_back.append(again)
        else:
            for _ in range(world.rng.randint(1, 12)):
                if not machine.has_ended:
                    world.turns.step(machine)
    return come_back


def history(folder: Path, seed: str) -> World:
    """Two or three machines together; then those that come back, with fresh clones; then one alone."""
    rng = random.Random(seed)
    world = World(rng, folder, budget=PRICE * rng.randint(3, 7))
    folder.mkdir()
    machines = [clone(world, f"first-{number}") for number in range(rng.randint(2, 3))]
    with armed(world.turns):
        come_back = play(world, machines)
        come_back = play(world, [*come_back, clone(world, "second")])
        play(world, [*come_back, clone(world, "third")])
    return world


def assert_kept(world: World) -> None:
    """Nothing was paid twice, no more than the budget was spent, and everything paid is published."""
    assert not world.broken, world.broken
    # Two jobs share a purchase, which has the name of either.
    paid = Counter(title.replace("same/", "one/") for title in world.vendor.paid)
    assert set(paid.values()) <= {1}, paid
    purchases = world.purchases()
    for request in world.vendor.sold.values():
        purchase = purchases.get(named_in(request.title))
        assert purchase is not None, f"{request.title} is forgotten"
        assert purchase.status is not Status.VOID, f"{request.title} was paid for"


@pytest.fixture(autouse=True)
def each_machine_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def runner(**given: Any) -> Runner:
        machine: Machine = HERE.machine
        return machine.runner(**given)

    monkeypatch.setattr("pipeline.engine.runner.Runner", runner)


def test_nothing_is_bought_twice_and_the_budget_holds_for_any_machine_interleaving(tmp_path: Path) -> None:
    bought, codes = 0, Counter[int]()

    # About one history in four reaches the budget: where none of the first did, more are played.
    for number in range(10 * HISTORIES):
        if number >= HISTORIES and codes[ExitCode.STOPPED_BUYING]:
            break
        try:
            world = history(tmp_path / str(number), f"{SEED}/{number}")
            assert_kept(world)
        except AssertionError as error:
            raise AssertionError(f"PIPELINE_TEST_SEED={SEED}, history {number}: {error}") from error
        shutil.rmtree(tmp_path / str(number))
        bought += len(world.vendor.paid)
        codes += world.codes

    # They did buy, and did reach the budget.
    assert bought > HISTORIES
    assert codes[ExitCode.STOPPED_BUYING]


@fails_without("pipeline.operations.run:CampaignRun.carry_out", "if self._options.checkpoint is not None")
def test_final_results_are_written_once_no_command_merges_them(tmp_path: Path) -> None:
    world = World(random.Random(SEED), tmp_path, budget=PRICE * 100)
    machine = clone(world, "only")

    world.turns.begin(machine)
    while not machine.has_ended:
        world.turns.step(machine)

    assert not world.broken
    assert machine.told[-2:] == ["end", "publish"]

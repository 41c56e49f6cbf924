"""A campaign of a few jobs, run repeatedly against the scripted vendor and a real state."""

import random
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from engine.simulation import FakeClock, FakeExecutor
from engine.vendor import ScriptedProvider
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.engine.calls import Clock, SystemClock, thread_pool
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.reporter import RunReport, Stop, Tally
from pipeline.engine.run_settings import RunSettings
from pipeline.engine.runner import Runner
from pipeline.errors import ExitCode, InvalidInput, Unfinished
from pipeline.jobs import Coordinates, Job, JobKey, Request, Source, UpstreamOutput, constant, in_plan_order
from pipeline.planning.make import make, paid_for
from pipeline.planning.plan import PlanOptions
from pipeline.providers.checked_provider import checked
from pipeline.purchases import UNDECIDED, Decisions, Ownership, Purchase, PurchaseId, Records, WorkflowId
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Change, Store, Turn
from pipeline.webhooks.receipt import Receipt, ReceiptInbox, Webhooks

USUAL = RunSettings(concurrency=8, in_flight=50, max_poll_interval=30.0)


def job(
    name: str,
    *,
    asks: str = "",
    images: tuple[Source, ...] = (),
    upstream: Job | None = None,
    price: int | None = 10,
    template: str = "overlay",
    title: str = "",
    timeout: float = 3600.0,
    retries: int = 0,
    steps: bool = False,
) -> Job:
    """A job called `name`, with a request that no other job has.

    Its title is its name, and its description names the purchase.
    """
    sources = images if upstream is None else (UpstreamOutput(upstream.key),)
    return Job(
        Coordinates("hero", template, name),
        Request("scripted", template, {"prompt": asks or name}, sources),
        path=name,
        title=constant(title or name),
        description=lambda purchase: purchase,
        timeout=timeout,
        retries=retries,
        credits=price,
        steps=steps,
    )


def jobs(number: int) -> list[Job]:
    return [job(f"job-{place:02}") for place in range(number)]


@dataclass(frozen=True)
class FakeCheckpoint(Checkpoint):
    """A checkpoint that calls a function in this process."""

    command: str = ""
    does: Callable[[], object] = lambda: None

    def __call__(self) -> None:
        self.does()


@dataclass
class RecordingReporter:
    """Keeps what a run reports; `clock`, if any, tells when it was shown a tally."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tally: Tally | None = None
    shown: list[tuple[float, Tally]] = field(default_factory=list)
    clock: Clock | None = None
    redraw_interval: float | None = None

    def show(self, tally: Tally) -> None:
        self.tally = tally
        if self.clock is not None:
            self.shown.append((self.clock.monotonic(), tally))

    def report(self, key: str, what: str) -> None:
        self.lines.append(f"{key.rpartition('/')[2]}: {what}")

    def warn(self, message: str) -> None:
        self.warnings.append(message)


class FailingStore:
    """The state on a disk that is full at times: `fails` decides for each transaction of changes.

    If it does not `absorb`, there is no space for what other machines bought.
    """

    def __init__(
        self, store: Store, fails: Callable[[Sequence[Change]], bool], *, absorbs: bool = True
    ) -> None:
        self._store = store
        self._fails = fails
        self._absorbs = absorbs

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def commit(self, changes: Sequence[Change]) -> None:
        self.commit_turn(Turn(changes=changes), Caps())

    def absorb(self, records: Records, decisions: Decisions, at: str) -> Records:
        if not self._absorbs:
            raise Unfinished("the disk is full")
        return self._store.absorb(records, decisions, at)

    def commit_turn(self, turn: Turn, caps: Caps) -> Sequence[Change]:
        if self._fails(turn.changes):
            raise Unfinished("the disk is full")
        return self._store.commit_turn(turn, caps)


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run, and what is on disk after it."""

    report: RunReport
    reporter: RecordingReporter
    records: Records
    asked_for: Sequence[Job]

    @property
    def codes(self) -> set[ExitCode]:
        return self.report.codes

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each job, by its short name."""
        assignment = assign(self.asked_for, self.records).by_key
        return {
            each.path: _spelled(assignment[each.key]) if each.key in assignment else "pending"
            for each in self.asked_for
        }

    def lives(self, wanted: Job) -> list[str]:
        """The history of each purchase for a job, the oldest first."""
        return [_spelled(each) for each in self.bought(wanted)]

    def bought(self, wanted: Job) -> list[Purchase]:
        found = [each for each in self.records.purchases.values() if each.key == wanted.key]
        return sorted(found, key=lambda each: each.age)


def _spelled(purchase: Purchase) -> str:
    reason = f" ({purchase.reason})" if purchase.reason is not None else ""
    return f"{purchase.status}{reason}"


def _keys(named: Collection[Job] | None) -> frozenset[JobKey] | None:
    return None if named is None else frozenset(each.key for each in named)


def _statuses(store: Store) -> dict[str, str]:
    purchases = store.records().purchases.values()
    return {each.id: each.status for each in sorted(purchases, key=lambda each: each.age)}


@dataclass
class _Published:
    """Results with these statuses, by purchase."""

    harness: "Harness"
    statuses: dict[str, str]

    def write(self) -> None:
        if self.harness.results_cannot_be_written:
            raise Unfinished("the results cannot be written")
        self.harness.published.append(self.statuses)

    def note(self) -> None:
        if self.harness.results_cannot_be_noted:
            raise Unfinished("the state takes nothing any more")


class Harness:
    """The environment of one campaign: its folder, its vendor, its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "spring.yaml"
        self.manifest.write_text("version: 1\nname: spring\n")
        self.executor = FakeExecutor()
        self.clock = FakeClock(self.executor)
        self.vendor = ScriptedProvider(self.clock.monotonic)
        self.stop = Stop()
        self.published: list[dict[str, str]] = []
        self.results_cannot_be_written = self.results_cannot_be_noted = False
        self.others: list[Purchase] = []
        self.decisions: Decisions | None = None
        self.unreadable_decisions = 0  # how often they cannot be read from now on
        self.absorbs = True
        self.webhooks = Webhooks(inbox=ReceiptInbox())
        self.left_over: list[Receipt] = []
        self.disk_is_full: Callable[[Sequence[Change]], bool] = lambda changes: False
        self.workers: Executor | None = None
        self.reporter: RecordingReporter | None = None
        self.on_change: Callable[[Change], None] = lambda change: None
        self._runs = 0
        self._ids = 0

    def run(
        self,
        *wanted: Job,
        settings: RunSettings = USUAL,
        checkpoint: Checkpoint | None = None,
        selected: Collection[Job] | None = None,
        replacing: Collection[Job] = (),
        retry_failed: bool = False,
        collecting: bool = False,
        threads: bool = False,
        is_plugin: bool = False,
    ) -> RunResult:
        """Plan and run a campaign of these jobs, as the command does.

        With `threads`, it uses real threads and the machine's own clock. `is_plugin`: the vendor's provider is not
        built in.
        """
        wanted_in_order = in_plan_order(wanted)
        options = PlanOptions(
            selected=_keys(selected),
            replace=_keys(replacing) or frozenset(),
            retry_failed=retry_failed,
        )
        report, reporter = RunReport(), self.reporter or RecordingReporter()
        with closing(self._opened()) as store:
            store.recover(self.clock.now())
            records = store.records()
            outputs = OutputFolder(self.folder / "output", store.files(), records.purchases)
            assignment = assign(wanted_in_order, records)
            plan = make(assignment, outputs.inventory.survey(assignment), options)
            if collecting:
                plan = paid_for(plan, records.purchases.values(), outputs.inventory.lacks)
            runner = Runner(
                ownership=Ownership(campaign="spring", recorded=store.recorded()),
                plan=plan,
                records=records,
                store=cast("Store", FailingStore(store, self.disk_is_full, absorbs=self.absorbs)),
                provider=checked(self.vendor, "refused") if is_plugin else self.vendor,
                outputs=outputs,
                manifest_folder=self.folder,
                settings=settings,
                reporter=reporter,
                report=report,
                stop=self.stop,
                publication=lambda: _Published(self, _statuses(store)),
                read_others=lambda: Records({each.id: each for each in self.others}),
                read_decisions=self._read_decisions,
                checkpoint=checkpoint,
                webhooks=self.webhooks,
                on_change=self.on_change,
                clock=SystemClock() if threads else self.clock,
                rng=random.Random(7),
                new_id=self._new_id,
                open_executor=thread_pool if threads else self.executor.pool,
                workers=self.workers,
            )
            runner.run()
            self.left_over = runner.receipts_left_over()
            return RunResult(report, reporter, store.records(), wanted_in_order)

    def collect(self, *wanted: Job) -> RunResult:
        """Download what is paid for and not here, as `collect` does."""
        return self.run(*wanted, collecting=True)

    def absorb(self, *purchases: Purchase) -> None:
        """Absorb what another machine knows of these purchases."""
        with closing(self._opened()) as store:
            store.absorb(Records({each.id: each for each in purchases}), UNDECIDED, self.clock.now())

    def on_disk(self) -> list[str]:
        """The statuses of all purchases as another process would read them now, the oldest first."""
        with closing(self._opened(writable=False)) as store:
            return list(_statuses(store).values())

    def _opened(self, *, writable: bool = True) -> SqlStore:
        self._runs += 1
        self.clock.turns = 0
        return open_store(
            self.folder / ".pipeline" / "spring.db",
            campaign="spring",
            manifest=self.manifest,
            run=f"run-{self._runs}",
            writable=writable,
            now=self.clock.now(),
        )

    def takes_webhooks(self) -> None:
        """From now on creates name a webhook url."""
        self.webhooks = Webhooks(
            inbox=self.webhooks.inbox,
            address_of=lambda purchase_id: f"https://hooks.test/{purchase_id}",
            templates=frozenset({"overlay"}),
        )

    def is_called(self, purchase: int, *named: str, age: float = 0.0) -> None:
        """The vendor calls the webhook for the purchase of that number; the first is 1."""
        workflows = tuple(map(WorkflowId, named))
        self.webhooks.inbox.put(Receipt(PurchaseId(f"{purchase:016x}"), workflows, age))

    def let_go(self) -> None:
        """Let the held calls return."""
        self.executor.held.clear()

    def _read_decisions(self) -> Decisions | None:
        if self.unreadable_decisions:
            self.unreadable_decisions -= 1
            raise InvalidInput("spring.decisions.yaml: not YAML")
        return self.decisions

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:016x}"

    def files(self) -> dict[str, str]:
        """The files in the output folder."""
        output = self.folder / "output"
        return {
            path.relative_to(output).as_posix(): path.read_text()
            for path in sorted(output.rglob("*"))
            if path.is_file()
        }

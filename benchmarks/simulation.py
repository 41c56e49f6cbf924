"""The product's engine on a clock that jumps, at a vendor in memory. Run as a program, it prints JSON.

This is the only program here that knows the product from inside. It imports nothing else of this folder, and finds
the installed wheel.
"""

import argparse
import gc
import hashlib
import json
import math
import os
import queue
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.engine.execute import execute
from pipeline.engine.reporter import RunReport, RunSettings, Stop, Tally
from pipeline.errors import ExitCode
from pipeline.jobs import Coordinates, Job, JobKey, Json, Request, constant
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.planning.make import in_plan_order, make
from pipeline.planning.plan import Plan
from pipeline.providers.base import (
    Bought,
    Changes,
    CreateOutcome,
    CreateRequest,
    Fetched,
    Media,
    Progress,
    Provider,
    Workflow,
)
from pipeline.purchases import UNDECIDED, Output, Purchase, PurchaseId, Records, Status, WorkflowId
from pipeline.state.opening import open_store
from pipeline.state.store import PlacedFile, Store

P = ParamSpec("P")
T = TypeVar("T")

_THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_FILM = Media("https://media.example.com/film.mp4", "video/mp4")


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Time, hands and people that cost nothing.


@dataclass
class JumpingClock:
    """Goes on only where a run waits, and then at once to where something is due."""

    time: float = 1000.0

    def now(self) -> str:
        return _written(_THEN + timedelta(seconds=self.time))

    def monotonic(self) -> float:
        return self.time

    def take(self, inbox: "queue.SimpleQueue[T]", seconds: float | None) -> T | None:
        if not inbox.empty():
            return inbox.get()
        if seconds is None:
            raise RuntimeError("the run waits for what never comes")
        self.time += max(0.0, seconds)
        return None


class AtOnce(Executor):
    """Makes each call where it is handed in."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - what a call raises is its result
            future.set_exception(error)
        return future


@contextmanager
def _at_once(_number: int) -> Iterator[Executor]:
    yield AtOnce()


class Silent:
    """Tells nobody anything."""

    def show(self, tally: Tally) -> None: ...

    def tell(self, key: JobKey, what: str) -> None: ...

    def warn(self, message: str) -> None: ...


class InMemory:
    """The port to a vendor, without what these runs never ask for."""

    @property
    def name(self) -> str:
        return "simulated"

    def prepare(self, order: CreateRequest) -> CreateRequest:
        return order

    def create(self, order: CreateRequest) -> CreateOutcome:
        raise NotImplementedError

    def get(self, workflow_id: WorkflowId) -> Workflow:
        raise NotImplementedError

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        raise NotImplementedError

    def delete(self, workflow_id: WorkflowId) -> None:
        raise NotImplementedError

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        raise NotImplementedError

    def health(self) -> None:
        raise NotImplementedError

    def download(self, media: Media, target: Path) -> Fetched:
        content = target.name.encode()
        target.write_bytes(content)
        return Fetched(hashlib.sha256(content).hexdigest(), len(content), media.content_type)


# What of the product is put together here, as its own commands do it.


@contextmanager
def _store(manifest: Path, name: str, run: str) -> Iterator[Store]:
    state = manifest.parent / ".pipeline" / f"{name}.db"
    opened = open_store(state, campaign=name, manifest=manifest, run=run, writable=True, now=_written(_THEN))
    with closing(opened) as store:
        yield store


def _plan(jobs: Sequence[Job], records: Records, outputs: OutputFolder) -> Plan:
    assignment = assign(list(jobs), records)
    return make(assignment, outputs.inventory.survey(assignment))


def _execute(
    plan: Plan,
    store: Store,
    provider: Provider,
    outputs: OutputFolder,
    clock: JumpingClock,
    stop: Stop,
    in_flight: int,
) -> RunReport:
    report = RunReport()
    execute(
        plan,
        store.records(),
        store=store,
        provider=provider,
        outputs=outputs,
        manifest_folder=outputs.folder.parent,
        settings=RunSettings(in_flight=in_flight),
        reporter=Silent(),
        report=report,
        stop=stop,
        publish=lambda: None,
        clock=clock,
        rng=random.Random(7),
        pool_of=_at_once,
    )
    return report


# What was bought before.


def _purchase(job: Job, number: int, status: Status, content: bytes) -> Purchase:
    output = Output("video/mp4", _FILM.url, hashlib.sha256(content).hexdigest(), len(content))
    purchase_id = PurchaseId(f"{number:016x}")
    return Purchase(
        id=purchase_id,
        key=job.key,
        fingerprint=job.fingerprint,
        status=status,
        bought_at=_written(_THEN),
        template_id=job.request.template_id,
        workflow_id=WorkflowId(f"wf-{number}"),
        request=job.request_json(purchase_id),
        outputs=(output,) if status is Status.DONE else (),
        credits=job.credits,
        path=job.path,
    )


def seed(manifest: Path, status: Status) -> None:
    """Write the state of a campaign of which everything was bought: `done` with its files, or `submitted`."""
    campaign = load(manifest)
    folder = campaign.output.dir
    purchases: dict[PurchaseId, Purchase] = {}
    placed: list[PlacedFile] = []
    for number, job in enumerate(expand(campaign), start=1):
        content = b"\x00\x00\x00\x18ftypmp42%d" % number
        purchase = _purchase(job, number, status, content)
        purchases[purchase.id] = purchase
        for output in purchase.outputs:
            path = folder / f"{job.path}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            name, stat = f"{job.path}.mp4", path.stat()
            placed.append(
                PlacedFile(
                    path=name,
                    purchase=purchase.id,
                    slot="result/0",
                    sha256=output.sha256 or "",
                    bytes=stat.st_size,
                    mtime_ns=stat.st_mtime_ns,
                )
            )
    served = {purchase.key: purchase.id for purchase in purchases.values()}
    with _store(manifest, campaign.name, "seed") as store:
        store.absorb(Records(purchases, served), UNDECIDED, _written(_THEN))
        store.save_assignment(served)
        store.index_files(placed)


# Detection: how long after its end is a workflow seen to have ended, and what does it take?

_EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Course:
    """How one workflow goes: when it began, how long it takes, and whether its progress says anything."""

    begun: float
    seconds: float
    title: str
    is_stuck: bool

    @property
    def ended(self) -> float:
        """When it is done."""
        return self.begun + self.seconds


@dataclass
class Template:
    """The workflows of one template take about `minutes`, log-normally; the progress of some stays at 0."""

    minutes: float
    is_stuck: bool
    spread: float = 0.3

    def seconds(self, chance: random.Random) -> float:
        return chance.lognormvariate(math.log(self.minutes * 60), self.spread)


TEMPLATES = {
    f"template{number}": Template(minutes, bool(number % 2))
    for number, minutes in enumerate((1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 12.0))
}


@dataclass
class TakingMinutes(InMemory):
    """A vendor whose workflows take minutes."""

    clock: JumpingClock
    chance: random.Random
    courses: dict[str, Course] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    polls: int = 0

    def create(self, order: CreateRequest) -> CreateOutcome:
        workflow = WorkflowId(order.title.replace(" ", "-"))
        template = TEMPLATES[order.template_id]
        self.courses[workflow] = Course(
            self.clock.time, template.seconds(self.chance), order.title, template.is_stuck
        )
        return Bought(workflow)

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.polls += 1
        course = self.courses[workflow_id]
        if self.clock.time >= course.ended:
            self.seen.setdefault(workflow_id, self.clock.time)
            return Workflow(
                workflow_id, Progress.SUCCEEDED, "success", title=course.title, result=(_FILM,), percent=100.0
            )
        percent = 0.0
        if not course.is_stuck:
            share = (self.clock.time - course.begun) / course.seconds
            percent = min(max(100 * share + self.chance.gauss(0, 4), 0.0), 99.0)
        return Workflow(workflow_id, Progress.RUNNING, "processing", title=course.title, percent=percent)

    def lag(self) -> float:
        """The mean seconds between the end of a workflow and the poll that saw it."""
        return sum(self.seen[name] - each.ended for name, each in self.courses.items()) / len(self.courses)

    def sample(self) -> tuple[float, int]:
        """The same of the vendor's sample client, which sleeps 30 s before each poll; and its polls."""
        polls = [math.ceil(each.seconds / _EVERY) for each in self.courses.values()]
        lags = [n * _EVERY - each.seconds for n, each in zip(polls, self.courses.values(), strict=True)]
        return sum(lags) / len(lags), sum(polls)


def detect(number: int, in_flight: int) -> list[Mapping[str, float]]:
    """Two runs of a campaign of `number` jobs of eight templates: the first, and one that has learned from it."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "campaign.yaml"
        manifest.write_text("version: 1\nname: simulated\n", encoding="utf-8")
        return [_detect(manifest, f"run{run}", number, in_flight) for run in (1, 2)]


def _detect(manifest: Path, run: str, number: int, in_flight: int) -> Mapping[str, float]:
    names = sorted(TEMPLATES)
    jobs = [
        Job(
            Coordinates(run, names[each % len(names)], f"job{each:06}"),
            Request("simulated", names[each % len(names)], {"prompt": f"{run} {each}"}),
            path=f"{run}/{each}",
            title=constant(f"{run} {each}"),
            credits=1,
        )
        for each in range(number)
    ]
    clock = JumpingClock()
    provider = TakingMinutes(clock, random.Random(run))
    with _store(manifest, "simulated", run) as store:
        records = store.records()
        outputs = OutputFolder(manifest.parent / "output", store.files(), records.purchases)
        report = _execute(
            _plan(in_plan_order(jobs), records, outputs), store, provider, outputs, clock, Stop(), in_flight
        )
    if report.codes or len(provider.seen) != number:
        raise SystemExit(f"the simulated run did not end well: {report.codes} {report.notes}")
    lag, polls = provider.sample()
    return {"lag": provider.lag(), "polls": provider.polls, "sample_lag": lag, "sample_polls": polls}


# In flight: what many workflows at once cost.


@dataclass
class NeverEnding(InMemory):
    """A vendor whose workflows run on, half of them without progress, until `stop` is asked for.

    Once each of `number` was asked about, memory is read; then `polls` more are timed.
    """

    clock: JumpingClock
    stop: Stop
    number: int
    polls: int
    titles: Mapping[str, str]
    asked: int = 0
    resident: int = 0
    began: float = 0.0
    cpu: float = 0.0

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.asked += 1
        if self.asked == self.number:
            self.resident, self.began = _resident(), time.process_time()
        elif self.asked == self.number + self.polls:
            self.cpu = time.process_time() - self.began
            self.stop.request(ExitCode.INTERRUPTED)
        percent = self.clock.time / 1000 % 99 if workflow_id[-1] in "02468" else 0.0
        return Workflow(
            workflow_id, Progress.RUNNING, "processing", title=self.titles[workflow_id], percent=percent
        )


def _resident() -> int:
    """The bytes of this process that are in memory now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fly(manifest: Path, polls: int) -> Mapping[str, float]:
    """Go on with a campaign all of whose jobs are in flight: bytes a job, seconds of CPU a poll."""
    campaign = load(manifest)
    clock, stop = JumpingClock(), Stop()
    before = _resident()
    jobs = in_plan_order(expand(campaign))
    with _store(manifest, campaign.name, "fly") as store:
        records = store.records()
        outputs = OutputFolder(campaign.output.dir, store.files(), records.purchases)
        plan = _plan(jobs, records, outputs)
        titles = {each.workflow_id or "": str(each.request["title"]) for each in records.purchases.values()}
        planned = _resident()
        provider = NeverEnding(clock, stop, len(jobs), polls, titles)
        _execute(plan, store, provider, outputs, clock, stop, in_flight=len(jobs))
    return {
        "bytes": (provider.resident - planned) / len(jobs),
        "bytes_with_plan": (provider.resident - before) / len(jobs),
        "seconds_a_poll": provider.cpu / polls,
    }


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser()
    which = parser.add_subparsers(dest="which", required=True)
    seeding = which.add_parser("seed")
    seeding.add_argument("manifest", type=Path)
    seeding.add_argument("status", type=Status)
    detecting = which.add_parser("detect")
    detecting.add_argument("number", type=int)
    detecting.add_argument("in_flight", type=int)
    flying = which.add_parser("fly")
    flying.add_argument("manifest", type=Path)
    flying.add_argument("polls", type=int)
    given = vars(parser.parse_args())
    parts: Mapping[str, Callable[..., object]] = {"seed": seed, "detect": detect, "fly": fly}
    print(json.dumps(parts[given.pop("which")](**given)))


if __name__ == "__main__":
    main()

"""The product's engine on a clock that jumps, at a vendor in memory: time, hands and people that cost nothing.

All that the benchmarks know of the product from inside stands here and in the programs beside it that use this.
"""

import hashlib
import queue
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import assign
from pipeline.engine.reporter import RunReport, Stop, Tally
from pipeline.engine.run_settings import RunSettings
from pipeline.engine.runner import Runner
from pipeline.jobs import Job, JobKey, in_plan_order
from pipeline.json_values import Json
from pipeline.planning.make import make
from pipeline.planning.plan import Plan
from pipeline.providers.base import (
    Changes,
    CreateOutcome,
    CreateRequest,
    Downloaded,
    Media,
    Provider,
    Workflow,
)
from pipeline.purchases import Ownership, Records, WorkflowId
from pipeline.state.opening import open_store
from pipeline.state.store import Store

P = ParamSpec("P")
T = TypeVar("T")

_THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILM = Media("https://media.example.com/film.mp4", "video/mp4")


def written(seconds: float = 0.0) -> str:
    """A time of day, as records have it."""
    moment = _THEN + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class JumpingClock:
    """Goes on only where a run waits, and then at once to where something is due."""

    time: float = 1000.0

    def now(self) -> str:
        return written(self.time)

    def monotonic(self) -> float:
        return self.time

    def wait(self, inbox: "queue.SimpleQueue[T]", seconds: float | None) -> T | None:
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

    redraw_interval = None

    def show(self, tally: Tally) -> None: ...

    def report(self, key: JobKey, what: str) -> None: ...

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

    def download(self, media: Media, target: Path) -> Downloaded:
        content = target.name.encode()
        target.write_bytes(content)
        return Downloaded(hashlib.sha256(content).hexdigest(), len(content), media.content_type)


@contextmanager
def opened_state(manifest: Path, name: str, run: str) -> Iterator[Store]:
    """The state beside a manifest, to be written by the run of that name."""
    state = manifest.parent / ".pipeline" / f"{name}.db"
    opened = open_store(state, campaign=name, manifest=manifest, run=run, writable=True, now=written())
    with closing(opened) as store:
        yield store


@dataclass(frozen=True)
class PlannedRun:
    """A run of a campaign that is about to begin."""

    plan: Plan
    records: Records
    store: Store
    outputs: OutputFolder
    folder: Path

    def carry_out(self, provider: Provider, clock: JumpingClock, stop: Stop, in_flight: int) -> None:
        """Do what the plan says, until it is done or `stop` is asked for.

        Raises:
            SystemExit: it ended for another reason.
        """
        report = RunReport()
        Runner(
            plan=self.plan,
            records=self.records,
            store=self.store,
            provider=provider,
            ownership=Ownership(campaign=self.store.campaign, recorded=self.store.recorded()),
            outputs=self.outputs,
            manifest_folder=self.folder,
            settings=RunSettings(concurrency=8, in_flight=in_flight, max_poll_interval=30.0),
            reporter=Silent(),
            report=report,
            stop=stop,
            clock=clock,
            rng=random.Random(7),
            open_executor=_at_once,
        ).run()
        if report.codes:
            raise SystemExit(f"the simulated run did not end well: {report.codes} {report.notes}")


def planned(jobs: Iterable[Job], store: Store, folder: Path) -> PlannedRun:
    """The run that these jobs need now; their files go to `folder`."""
    records = store.records()
    outputs = OutputFolder(folder, store.files(), records.purchases)
    assignment = assign(in_plan_order(jobs), records)
    plan = make(assignment, outputs.inventory.survey(assignment))
    return PlannedRun(plan, records, store, outputs, folder.parent)

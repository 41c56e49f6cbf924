"""Carries out a plan: what the engine is asked for from outside."""

import random
import secrets
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.engine.calls import CallPool
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.clock import Clock, SystemClock
from pipeline.engine.executors import hands
from pipeline.engine.journal import Journal
from pipeline.engine.reporter import Reporter, RunReport, RunSettings, Stop
from pipeline.engine.runner import Run
from pipeline.engine.served_jobs import ServedJobs
from pipeline.engine.workplace import Workplace
from pipeline.planning.plan import Plan
from pipeline.providers.base import Provider
from pipeline.purchases import Purchase, Records
from pipeline.state.store import Change, Store


def execute(
    plan: Plan,
    records: Records,
    *,
    store: Store,
    provider: Provider,
    outputs: OutputFolder,
    manifest_folder: Path,
    settings: RunSettings,
    reporter: Reporter,
    report: RunReport,
    stop: Stop,
    publish: Callable[[], object],
    others: Callable[[], Collection[Purchase]] = tuple,
    checkpoint: Checkpoint | None = None,
    on_change: Callable[[Change], None] = lambda _change: None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    new_id: Callable[[], str] | None = None,
    pool_of: Callable[[int], AbstractContextManager[Executor]] = hands,
) -> None:
    """Carry out `plan`, by default with threads of this process; `report` is told what it ends with.

    `records` is what `store` holds; `publish` is called now and then to write the results manifest, and
    raises a `PipelineError` where it cannot be written; so does `others`, which tells of purchases that other
    machines wrote into it meanwhile. `pool_of` gives so many hands for the calls.
    """
    clock = clock or SystemClock()
    with pool_of(settings.concurrency) as pool:
        workplace = Workplace(
            store=store,
            provider=provider,
            outputs=outputs,
            manifest_folder=manifest_folder,
            clock=clock,
            executor=pool,
            till=pool,
            rng=rng or random.Random(),  # noqa: S311 - jitter is no secret
            new_id=new_id or partial(secrets.token_hex, 8),
            settings=settings,
            reporter=reporter,
            report=report,
            journal=Journal(store, clock, settings.caps, records, reporter.warn, on_change),
            calls=CallPool(clock, settings.concurrency),
            served_jobs=ServedJobs(plan),
            publish=publish,
            others=others,
            checkpoint=checkpoint,
        )
        Run(workplace, plan, stop).carry_out()

"""What the parts of a run share: the books, the calls in the air, and who is told."""

import random
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.artifacts.output_folder import OutputFolder
from pipeline.engine.calls import CallPool
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.clock import Clock
from pipeline.engine.journal import Journal
from pipeline.engine.reporter import Reporter, RunReport, RunSettings
from pipeline.engine.served_jobs import ServedJobs
from pipeline.errors import AccountError, BuyingStopped, PipelineError
from pipeline.providers.base import Provider, VendorError
from pipeline.purchases import Purchase
from pipeline.state.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class Workplace:
    """What a run works with. `manifest_folder` is what local paths are relative to.

    Calls that may be repeated go to `executor`, which may be a cluster; a create never leaves this process
    and goes to `till`, as no cluster runs a task exactly once. `publish` writes the results manifest of what
    is on disk; `checkpoint` then has it published, before a wave of creates is sent. `others` are purchases of
    other machines that have come into the results meanwhile.
    """

    store: Store
    provider: Provider
    outputs: OutputFolder
    manifest_folder: Path
    clock: Clock
    executor: Executor
    till: Executor
    rng: random.Random
    new_id: Callable[[], str]
    settings: RunSettings
    reporter: Reporter
    report: RunReport
    journal: Journal
    calls: CallPool
    served_jobs: ServedJobs
    publish: Callable[[], object]
    others: Callable[[], Collection[Purchase]]
    checkpoint: Checkpoint | None = None


def outcome(future: "Future[T]") -> T | VendorError | BuyingStopped | PipelineError:
    """What a call brought, or the error that is an answer of its own; the account's refusal is raised.

    Raises:
        AccountError: the vendor refused the key, which ends the run.
    """
    try:
        return future.result()
    except AccountError:
        raise
    except PipelineError as error:
        return error

"""The public Python face: `import pipeline`, then load, expand, plan, run.

It does what the commands of the same names do, and returns values where they print. Everything that is
not named here may change between releases.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pipeline.engine.reporter import Stop, Tally
from pipeline.errors import (
    AccountError,
    BuyingStopped,
    ExitCode,
    InvalidInput,
    PipelineError,
    Problem,
    StateLocked,
    UsageError,
)
from pipeline.jobs import Job, JobKey, Json
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load as load_manifest
from pipeline.manifest.model import Campaign
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.environment import Environment
from pipeline.operations.run import CampaignRun, Outcome
from pipeline.operations.run_options import RunOptions
from pipeline.operations.workspace import RecordPaths, Workspace, open_workspace
from pipeline.planning.plan import ALL, Action, Entry, Plan, PlanOptions
from pipeline.providers.base import Provider
from pipeline.purchases import Purchase
from pipeline.results.standing import Standing

__all__ = [
    "AccountError",
    "Action",
    "BuyingStopped",
    "Campaign",
    "Entry",
    "ExitCode",
    "InvalidInput",
    "Job",
    "Outcome",
    "PipelineError",
    "Plan",
    "PlanOptions",
    "Problem",
    "Provider",
    "Purchase",
    "Standing",
    "StateLocked",
    "UsageError",
    "expand",
    "load",
    "plan",
    "run",
]


def load(manifest: str | Path, variables: Mapping[str, Json] | None = None) -> Campaign:
    """Read a manifest and everything that it names; `variables` win over its vars.

    Raises:
        InvalidInput: it is wrong; carries every problem with its place.
    """
    return load_manifest(Path(manifest), variables=dict(variables or {}))


def plan(
    manifest: str | Path,
    *,
    variables: Mapping[str, Json] | None = None,
    emulate: bool = False,
    options: PlanOptions = ALL,
) -> Plan:
    """What a run would do for each job, and what it would cost. Asks no network and no key, writes nothing.

    Raises:
        InvalidInput: manifest, state or results are wrong.
    """
    with open_campaign(_open_workspace(manifest, variables, emulate=emulate), writable=False) as state:
        return state.plan(options)


def run(
    manifest: str | Path,
    *,
    variables: Mapping[str, Json] | None = None,
    emulate: bool = False,
    options: PlanOptions = ALL,
    provider: Provider | None = None,
    on_event: Callable[[str, str], None] | None = None,
) -> Outcome:
    """Buy what is missing, fetch it, and write the results manifest; called again, it goes on where it stopped.

    The key comes from `VIMMERSE_API_KEY` unless `provider` is given. `on_event` hears the key of a job and what
    happened to it.

    Raises:
        InvalidInput: manifest, state or results are wrong.
        BuyingStopped: a cap would be passed; nothing was bought.
        StateLocked: another run holds the state.
        AccountError: there is no key.
        KeyboardInterrupt: after a Ctrl-C, once what the requests in flight brought is saved.
    """
    workspace = _open_workspace(manifest, variables, emulate=emulate)
    with _saving_first() as stop, open_campaign(workspace, writable=True) as state:
        campaign_run = CampaignRun(state, RunOptions(plan=options, provider=provider), stop)
        made = campaign_run.plan()
        if why := campaign_run.refusal(made):
            raise BuyingStopped(why)
        return campaign_run.carry_out(made, lambda: nullcontext(_EventReporter(on_event)))


@contextmanager
def _saving_first() -> Iterator[Stop]:
    """Turns a Ctrl-C into a request to stop, and raises it at the end: in between it could lose a workflow's id.

    Whoever has a handler of their own for it keeps that.
    """
    stop = Stop()
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not is_ours:
        yield stop
        return
    signal.signal(signal.SIGINT, lambda *_: stop.request(ExitCode.INTERRUPTED))
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if stop.code is not None:
        raise KeyboardInterrupt


def _open_workspace(
    manifest: str | Path, variables: Mapping[str, Json] | None, *, emulate: bool
) -> Workspace:
    return open_workspace(
        Path(manifest), variables or {}, RecordPaths(emulate=emulate), Environment(os.environ)
    )


class _EventReporter:
    """A reporter that passes on what happens and shows nothing."""

    def __init__(self, on_event: Callable[[str, str], None] | None) -> None:
        self._on_event = on_event

    def show(self, tally: Tally) -> None:
        pass

    def tell(self, key: JobKey, what: str) -> None:
        if self._on_event is not None:
            self._on_event(key, what)

    def warn(self, message: str) -> None:
        # Of no job.
        if self._on_event is not None:
            self._on_event("", message)

"""The functions of the API that check, plan, run and show a campaign."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

from pipeline.api.arguments import (
    Location,
    Manifest,
    Selection,
    VariableFiles,
    checked,
    load_campaign,
    plan_arguments,
    record_paths,
    selected,
    several,
    workspace_for,
)
from pipeline.engine.reporter import Stop, Tally
from pipeline.errors import BuyingStopped, ExitCode
from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.manifest.expand import expand as expand_campaign
from pipeline.manifest.model import Campaign
from pipeline.operations import status as campaign_status
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.outcome import Outcome
from pipeline.operations.plan import plan_of
from pipeline.operations.run import CampaignRun, open_for_run
from pipeline.operations.run_options import RunOptions
from pipeline.operations.selection import plan_options, selected_keys
from pipeline.operations.status import CampaignStatus
from pipeline.planning.plan import Plan
from pipeline.providers.base import Provider

OnEvent = Callable[[str, str], None]


@checked
def load(
    manifest: Manifest, variables: Mapping[str, Json] | None = None, *, variable_files: VariableFiles = ()
) -> Campaign:
    """Read a manifest and everything that it names; `variables` override its vars, and those of `variable_files`.

    Raises:
        InvalidInput: the manifest is invalid; has every problem with its position.
        UsageError: the manifest does not use one of the variables.
    """
    return load_campaign(manifest, variables, variable_files)


# Its documentation and its types are those of the function.
expand = checked(expand_campaign)


@checked
def plan(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    replace: Selection = (),
    retry_failed: bool = False,
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> Plan:
    """Plan what a run would do for each job, and what it would cost. Needs no network and no key, writes nothing.

    `select`, `exclude` and `replace` are expressions as for `--select`; without `select`, all jobs are selected.
    In `replace`, the key of a job means that job alone, not also its further takes.

    Raises:
        InvalidInput: manifest, state or results are invalid.
        UsageError: a selection is empty or matches nothing, or the manifest does not use one of the `variables`.
    """
    arguments = plan_arguments(select, exclude, replace, retry_failed=retry_failed)
    paths = record_paths(state, results, output, emulate=emulate)
    with open_campaign(workspace_for(manifest, variables, variable_files, paths), writable=False) as opened:
        return plan_of(opened, plan_options(opened, arguments))


@checked
def run(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    replace: Selection = (),
    retry_failed: bool = False,
    max_creates: int | None = None,
    max_credits: int | None = None,
    fail_threshold: float | None = None,
    fail_fast: bool = False,
    frozen: bool = False,
    wait: bool = True,
    download: bool = True,
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
    provider: Provider | None = None,
    on_event: OnEvent | None = None,
) -> Outcome:
    """Buy what is missing, fetch it, and write the results manifest; called again, it continues where it stopped.

    The key comes from `VIMMERSE_API_KEY` unless `provider` is given. `max_creates` and `max_credits` are caps of
    this run, which may only lower the manifest's. With `frozen`, nothing may be bought; without `wait`, the run ends
    once everything is bought; without `download`, the files stay at the vendor. `on_event` is called with the key of
    a job and what happened to it; if it raises an error, nothing more is bought, and the error is raised once
    everything in flight is saved.

    Raises:
        InvalidInput: manifest, state or results are invalid.
        UsageError: as `plan`; or a cap is above the manifest's.
        BuyingStopped: a cap would be exceeded, or there is something to buy despite `frozen`; nothing was bought.
        StateLocked: another run holds the state.
        AccountError: there is no key.
        Unfinished: files could not be written.
        KeyboardInterrupt: after a Ctrl-C, once everything in flight is saved.
    """
    arguments = plan_arguments(select, exclude, replace, retry_failed=retry_failed)
    paths = record_paths(state, results, output, emulate=emulate)
    workspace = workspace_for(manifest, variables, variable_files, paths)

    def options(opened: CampaignState) -> RunOptions:
        return RunOptions(
            plan=plan_options(opened, arguments),
            max_creates=max_creates,
            max_credits=max_credits,
            fail_threshold=fail_threshold,
            fail_fast=fail_fast,
            frozen=frozen,
            wait=wait,
            download=download,
            provider=provider,
        )

    with _stop_on_interrupt() as stop, open_for_run(workspace, options, frozen=frozen) as opened:
        campaign_run = CampaignRun(opened, options(opened), stop)
        made = campaign_run.plan()
        if why := campaign_run.exceeded_limit(made):
            raise BuyingStopped(why)
        return campaign_run.carry_out(made, lambda: nullcontext(_EventReporter(on_event)))


@checked
def collect(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
    provider: Provider | None = None,
    on_event: OnEvent | None = None,
) -> Outcome:
    """Fetch what is paid for: unfinished workflows, and files that are not on this machine. Buys nothing.

    Raises:
        InvalidInput, UsageError, StateLocked, AccountError, Unfinished, KeyboardInterrupt: as `run`.
    """
    paths = record_paths(state, results, output, emulate=emulate)
    workspace = workspace_for(manifest, variables, variable_files, paths)
    with _stop_on_interrupt() as stop, open_campaign(workspace, writable=True) as opened:
        planned = plan_options(opened, plan_arguments(select, exclude))
        campaign_run = CampaignRun(opened, RunOptions(plan=planned, provider=provider), stop)
        made = campaign_run.plan_of_collecting()
        campaign_run.report_altered(made)
        return campaign_run.carry_out(made, lambda: nullcontext(_EventReporter(on_event)))


@checked
def status(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    variables: Mapping[str, Json] | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> CampaignStatus:
    """Return the status of each job, the decisions about it, and the credits spent. Needs no network and no key.

    Raises:
        InvalidInput: manifest, state or results are invalid.
        UsageError: as `plan`.
    """
    paths = record_paths(state, results, output, emulate=emulate)
    with open_campaign(workspace_for(manifest, variables, variable_files, paths), writable=False) as opened:
        return campaign_status.status(opened, selected_keys(opened, selected(select), several(exclude)))


@contextmanager
def _stop_on_interrupt() -> Iterator[Stop]:
    """Turn a Ctrl-C into a request to stop, and raise it at the end: raised earlier, it could lose a workflow's id.

    A handler that the caller has set stays in place.
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


class _EventReporter:
    """A reporter that passes on events and shows nothing."""

    redraw_interval = None

    def __init__(self, on_event: OnEvent | None) -> None:
        self._on_event = on_event

    def show(self, tally: Tally) -> None:
        pass

    def report(self, key: JobKey, what: str) -> None:
        if self._on_event is not None:
            self._on_event(key, what)

    def warn(self, message: str) -> None:
        # The message concerns no job, so the key is empty.
        if self._on_event is not None:
            self._on_event("", message)

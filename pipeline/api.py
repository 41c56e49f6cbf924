"""The public Python API: `import pipeline`, then load, expand, plan, run, collect, status, approve, reject, redo.

Each function does what the command of the same name does, and returns values instead of printing them. An argument
that is left out, or None where that is the default, is taken from the environment variable of its flag, as the
command takes it. An invalid argument or variable raises a UsageError before anything is read or bought; so does a
variable that would change what the command buys or records where the function has no parameter for it. Everything
that is not named here may change between releases.
"""

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    Unfinished,
    UsageError,
)
from pipeline.jobs import Job, JobKey
from pipeline.json_values import Json
from pipeline.manifest.campaign_checks import check_used, warnings_of_files
from pipeline.manifest.expand import expand as expand_campaign
from pipeline.manifest.load import load as load_manifest
from pipeline.manifest.model import Campaign
from pipeline.manifest.variables import read_variable_files
from pipeline.operations import status as campaign_status
from pipeline.operations.call_arguments import ArgumentChecker
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.operations.environment import Environment
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.outcome import Outcome
from pipeline.operations.plan import plan_of
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.review import Opinion, decide, reviewer
from pipeline.operations.run import CampaignRun, open_for_run
from pipeline.operations.run_options import RunOptions
from pipeline.operations.selection import plan_options, purchases_named, selected_keys
from pipeline.operations.status import CampaignStatus
from pipeline.operations.workspace import Workspace, workspace_of
from pipeline.planning.plan import Action, Entry, Plan, PlanArguments
from pipeline.providers.base import Provider
from pipeline.purchases import Purchase
from pipeline.results.decisions import Decision, Verdict
from pipeline.results.job_status import JobStatus
from pipeline.schemes import path_argument

__all__ = [
    "AccountError",
    "Action",
    "BuyingStopped",
    "Campaign",
    "CampaignStatus",
    "Decision",
    "Entry",
    "ExitCode",
    "InvalidInput",
    "Job",
    "JobStatus",
    "Outcome",
    "PipelineError",
    "Plan",
    "Problem",
    "Provider",
    "Purchase",
    "StateLocked",
    "Unfinished",
    "UsageError",
    "approve",
    "collect",
    "expand",
    "load",
    "plan",
    "redo",
    "reject",
    "run",
    "status",
    "undecide",
]

AnyPath = str | os.PathLike[str]
Manifest = AnyPath
# A key, an id or an expression; or the path of a file, such as one of `Outcome.files`.
Name = AnyPath
# One or several expressions of `--select`.
Selection = str | Iterable[str]
Variables = Mapping[str, Json]
# One or several files of vars.
VariableFiles = AnyPath | Iterable[AnyPath]
# Where records are: a path, or an address as the flag of the same name takes it.
Location = AnyPath
OnEvent = Callable[[str, str], None]

_checked = ArgumentChecker(os.environ)


@_checked
def load(
    manifest: Manifest, variables: Variables | None = None, *, variable_files: VariableFiles = ()
) -> Campaign:
    """Read a manifest and everything that it names; `variables` override its vars, and those of `variable_files`.

    Raises:
        InvalidInput: the manifest is invalid; has every problem with its position.
        UsageError: the manifest does not use one of the variables.
    """
    return _load(manifest, variables, variable_files)


# Its documentation and its types are those of the function.
expand = _checked(expand_campaign)


@_checked
def plan(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    replace: Selection = (),
    retry_failed: bool = False,
    variables: Variables | None = None,
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
    arguments = _arguments(select, exclude, replace, retry_failed=retry_failed)
    paths = _paths(state, results, output, emulate=emulate)
    with open_campaign(_workspace(manifest, variables, variable_files, paths), writable=False) as opened:
        return plan_of(opened, plan_options(opened, arguments))


@_checked
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
    variables: Variables | None = None,
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
    arguments = _arguments(select, exclude, replace, retry_failed=retry_failed)
    paths = _paths(state, results, output, emulate=emulate)
    workspace = _workspace(manifest, variables, variable_files, paths)

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


@_checked
def collect(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    variables: Variables | None = None,
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
    paths = _paths(state, results, output, emulate=emulate)
    workspace = _workspace(manifest, variables, variable_files, paths)
    with _stop_on_interrupt() as stop, open_campaign(workspace, writable=True) as opened:
        planned = plan_options(opened, _arguments(select, exclude))
        campaign_run = CampaignRun(opened, RunOptions(plan=planned, provider=provider), stop)
        made = campaign_run.plan_of_collecting()
        campaign_run.report_altered(made)
        return campaign_run.carry_out(made, lambda: nullcontext(_EventReporter(on_event)))


@_checked
def status(
    manifest: Manifest,
    *,
    select: Selection | None = None,
    exclude: Selection = (),
    variables: Variables | None = None,
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
    paths = _paths(state, results, output, emulate=emulate)
    with open_campaign(_workspace(manifest, variables, variable_files, paths), writable=False) as opened:
        return campaign_status.status(opened, selected_keys(opened, _selected(select), _several(exclude)))


@_checked
def approve(
    manifest: Manifest,
    *names: Name,
    note: str | None = None,
    rating: int | None = None,
    at: float | None = None,
    by: str | None = None,
    variables: Variables | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Approve the takes that `names` refer to: each keeps serving its job, whatever is edited later.

    A name is a job's key, a purchase's id, a file in the output folder, or an expression as for `--select`. `rating`
    is 1 to 5. With `at`, in seconds, `note` is about that moment of the video. `by` is the reviewer's name, by
    default git's `user.name`.

    Raises:
        UsageError: a name matches nothing, or a purchase that has not succeeded; the rating is invalid; or the
            manifest does not use one of the `variables`.
        InvalidInput: manifest, state, results or decisions are invalid.
        Unfinished: the decisions file cannot be written.
    """
    paths = _paths(state, results, output, emulate=emulate)
    workspace = _workspace(manifest, variables, variable_files, paths)
    opinion = Opinion(
        verdict=Verdict.APPROVED, rating=rating, note=note, moment=at, by=by or reviewer(workspace)
    )
    return _decide(workspace, opinion, names)


@_checked
def reject(
    manifest: Manifest,
    *names: Name,
    note: str | None = None,
    rating: int | None = None,
    at: float | None = None,
    by: str | None = None,
    variables: Variables | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Reject the takes that `names` refer to; this withdraws approvals. Buys nothing.

    Raises:
        UsageError, InvalidInput, Unfinished: as `approve`.
    """
    paths = _paths(state, results, output, emulate=emulate)
    workspace = _workspace(manifest, variables, variable_files, paths)
    opinion = Opinion(
        verdict=Verdict.REJECTED, rating=rating, note=note, moment=at, by=by or reviewer(workspace)
    )
    return _decide(workspace, opinion, names)


@_checked
def redo(
    manifest: Manifest,
    *names: Name,
    note: str | None = None,
    rating: int | None = None,
    at: float | None = None,
    by: str | None = None,
    variables: Variables | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Send back the takes that `names` refer to: the next plan shows a replacement for each, with its price.

    Raises:
        UsageError, InvalidInput, Unfinished: as `approve`.
    """
    paths = _paths(state, results, output, emulate=emulate)
    workspace = _workspace(manifest, variables, variable_files, paths)
    opinion = Opinion(verdict=Verdict.REDO, rating=rating, note=note, moment=at, by=by or reviewer(workspace))
    return _decide(workspace, opinion, names)


@_checked
def undecide(
    manifest: Manifest,
    *names: Name,
    by: str | None = None,
    variables: Variables | None = None,
    variable_files: VariableFiles = (),
    state: Location | None = None,
    results: Location | None = None,
    output: Location | None = None,
    emulate: bool = False,
) -> list[Decision]:
    """Withdraw the verdicts on the takes that `names` refer to, as if there had been none; stars and notes stay.

    Raises:
        UsageError, InvalidInput, Unfinished: as `approve`.
    """
    paths = _paths(state, results, output, emulate=emulate)
    workspace = _workspace(manifest, variables, variable_files, paths)
    return _decide(workspace, Opinion(withdraws=True, by=by or reviewer(workspace)), names)


def _decide(workspace: Workspace, opinion: Opinion, names: tuple[Name, ...]) -> list[Decision]:
    if not names:
        raise UsageError("name what is decided on: a key, a purchase, a file or a selection")
    texts = [os.fspath(name) for name in names]
    with open_campaign(workspace, writable=False) as opened:
        return decide(opened, opinion, {name: purchases_named(opened, name) for name in texts})


def _load(manifest: Manifest, variables: Variables | None, variable_files: VariableFiles) -> Campaign:
    given = dict(variables or {})
    names = _file_names(variable_files)
    campaign = load_manifest(Path(manifest), variables={**read_variable_files(names), **given})
    check_used(given, [campaign], "the variable '{}'")
    return dataclasses.replace(campaign, warnings=(*warnings_of_files(names, [campaign]), *campaign.warnings))


def _file_names(files: VariableFiles) -> list[str]:
    return [os.fspath(file) for file in ([files] if isinstance(files, str | os.PathLike) else files)]


def _workspace(
    manifest: Manifest, variables: Variables | None, variable_files: VariableFiles, paths: RecordPaths
) -> Workspace:
    campaign = _load(manifest, variables, variable_files)
    given = GivenVariables(values=dict(variables or {}), files=_file_names(variable_files))
    return workspace_of(campaign, paths, Environment(os.environ), given)


def _paths(
    state: Location | None, results: Location | None, output: Location | None, *, emulate: bool
) -> RecordPaths:
    return RecordPaths(state=_named(state), results=_named(results), output=_named(output), emulate=emulate)


def _named(location: Location | None) -> str | None:
    if location is None or isinstance(location, str):
        return location
    return path_argument(os.fspath(location))  # a path has lost its `./`


def _arguments(
    select: Selection | None, exclude: Selection, replace: Selection = (), *, retry_failed: bool = False
) -> PlanArguments:
    return PlanArguments(
        select=_selected(select),
        exclude=_several(exclude),
        replace=_several(replace),
        retry_failed=retry_failed,
    )


def _selected(select: Selection | None) -> tuple[str, ...]:
    """The expressions of a selection; none if `select` is None. An empty selection is an error, not everything."""
    expressions = () if select is None else _several(select)
    if select is not None and not expressions:
        raise UsageError("the selection is empty; None selects everything")
    return expressions


def _several(selection: Selection) -> tuple[str, ...]:
    return (selection,) if isinstance(selection, str) else tuple(selection)


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

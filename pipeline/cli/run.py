"""`pipeline run`: does what the plan says. Run again, it goes on where it stopped."""

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pipeline.cli.arguments import campaign_here
from pipeline.cli.context import open_workspace, plan_arguments
from pipeline.cli.documents import outcome_document
from pipeline.cli.environment import is_terminal, program
from pipeline.cli.events import Events, events_to
from pipeline.cli.log_lines import log_format_option
from pipeline.cli.observing import Observers, final_tally, observers, observing_options
from pipeline.cli.options import (
    INPUT,
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    replanning_options,
    selection_options,
    together,
)
from pipeline.cli.reporting import write_junit
from pipeline.cli.run_output import RunConsole
from pipeline.cli.signals import stopping
from pipeline.cli.terminal import say, say_json
from pipeline.engine.checkpoint import Checkpoint
from pipeline.errors import ExitCode, InvalidInput, Unfinished, UsageError, most_urgent, printable
from pipeline.operations import plan_file
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.operations.provider import assert_vendor_installed
from pipeline.operations.run import require_records
from pipeline.operations.run_options import RunOptions
from pipeline.operations.selection import plan_options, saved_plan_options
from pipeline.operations.workspace import Workspace, shown_path
from pipeline.planning.plan import Plan
from pipeline.planning.saved_plan import SavedPlan
from pipeline.state.store import Change

# What the gallery has to be told to find what this run made.
_OF_THE_GALLERY = frozenset({"state", "results", "output", "variables", "variable_files"})

pacing_options = together(
    flag("--concurrency", type=click.IntRange(1, 256), metavar="N", help="Requests in flight at once."),
    flag("--in-flight", type=click.IntRange(1, 100_000), metavar="N", help="Workflows in flight at once."),
    flag(
        "--rate",
        type=click.FloatRange(0, 10_000, min_open=True),
        metavar="N",
        help="Requests a second to the vendor, of all kinds together.",
    ),
    flag(
        "--request-timeout",
        type=click.FloatRange(0.1, 3600),
        default=60.0,
        metavar="SECONDS",
        help="How long one request may take.",
    ),
    flag(
        "--poll-interval",
        type=click.FloatRange(0.1, 3600),
        default=30.0,
        metavar="SECONDS",
        help="The longest wait between two polls of one workflow.",
    ),
)
buying_options = together(
    flag("--yes", is_flag=True, help="Do not ask before buying."),
    flag("--max-creates", type=click.IntRange(0), metavar="N", help="Buy at most N in this run."),
    flag("--max-credits", type=click.IntRange(0), metavar="N", help="Spend at most N credits in this run."),
    flag("--frozen", is_flag=True, help="Exit with 4, having done nothing, if anything would be bought."),
    flag("--fail-fast", is_flag=True, help="Buy nothing more once a job has failed."),
    flag(
        "--fail-threshold",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="The share of failed jobs, 0 to 1, that a run tolerates.",
    ),
    flag("--no-wait", is_flag=True, help="Submit and leave."),
    flag("--no-download", is_flag=True, help="Leave the files at the vendor."),
)
records_options = together(
    flag("--checkpoint", metavar="COMMAND", help="Publishes the results (a git push, say) before each wave."),
    flag("--require-results", is_flag=True, help="Exit with 3 if there is neither state nor results."),
    flag("--events", metavar="FILE|-", help="One JSON object for each step of each purchase."),
    flag("--junit", metavar="FILE", help="The jobs as a JUnit report."),
)


@click.command("run")
@click.argument("source", type=INPUT, required=False, metavar="[MANIFEST|PLAN]")
@buying_options
@selection_options
@replanning_options
@pacing_options
@records_options
@observing_options
@log_format_option
@format_option("text", "json")
@campaign_options
def command(source: Path | None, **given: Any) -> int:
    """Buy what MANIFEST asks for and nothing serves yet, and fetch it. Run again to go on where it stopped.

    Nothing is bought twice: not after a kill, not on another machine that has the results manifest. A PLAN
    that `plan --out` saved is carried out exactly, or refused with what has changed since.
    """
    if given["events"] == "-" and given["output_format"] == "json":
        raise UsageError("--events - and --format json both want stdout; give --events a file")
    source = source or campaign_here()
    saved = plan_file.read(source)
    workspace = _open_workspace(source, saved, given)
    assert_vendor_installed(workspace)
    if given["require_results"]:
        require_records(workspace)
    with ExitStack() as stack:
        stop = stack.enter_context(stopping())
        state = stack.enter_context(open_campaign(workspace, writable=True))
        events = stack.enter_context(events_to(given["events"])) if given["events"] else None
        watching = stack.enter_context(observers(workspace, given))
        options = _options(state, saved, given, events, watching)
        on_stderr = given["events"] == "-" or "json" in (given["output_format"], given["log_format"])
        console = RunConsole(
            state,
            options,
            stop,
            on_stderr=on_stderr,
            replaces=bool(given["replace"]),
            gallery=_gallery_command(workspace, given),
            on_tally=watching.stands,
        )
        check = partial(plan_file.assert_current, saved, name=str(source)) if saved is not None else _any_plan
        outcome = console.carry_out(check, ask=not (given["yes"] or saved or workspace.emulated))
        watching.stands(final_tally(outcome))
        reports: list[Callable[[], None]] = [partial(watching.ends, outcome.code)]
        reports += [events.assert_written] if events is not None else []
        if given["junit"]:
            reports.append(partial(write_junit, Path(given["junit"]), workspace.campaign.name, outcome.jobs))
        if given["output_format"] == "json":
            say_json(outcome_document(workspace.campaign.name, outcome, workspace.results_name))
        return most_urgent({outcome.code, *_write_reports(reports)})


def _gallery_command(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """The command that opens the gallery, with the flags that this one was given; empty where nobody sees it."""
    if not (workspace.emulated or is_terminal(sys.stdout)):
        return ""
    words = [program(), "report", shown_path(workspace.campaign.manifest)]
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        from_command_line = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if name in _OF_THE_GALLERY and from_command_line:
            values = given[name] if isinstance(given[name], tuple) else (given[name],)
            words += [word for value in values for word in (parameter.opts[0], value)]
    words += ["--emulate", "--open"] if workspace.emulated else ["--open"]
    return shlex.join(words)


def _write_reports(reports: Iterable[Callable[[], None]]) -> Iterator[ExitCode]:
    """Write reports; one that cannot be written is told, and hides nothing of how the run itself ended."""
    for write in reports:
        try:
            write()
        except Unfinished as error:
            say(f"error: {printable(str(error))}", err=True)
            yield error.exit_code


def _tell_both(events: Events, watching: Observers, change: Change) -> None:
    events(change)
    watching.changed(change)


def _any_plan(_plan: Plan) -> None:
    pass  # No plan was reviewed, so any will do.


def _open_workspace(source: Path, saved: SavedPlan | None, given: dict[str, Any]) -> Workspace:
    flags = CampaignFlags.of(given)
    if saved is None:
        return open_workspace(source, flags)
    own = ("select", "exclude", "replace", "retry_failed", "variables", "variable_files")
    if any(given[name] for name in own):
        raise UsageError(
            "a saved plan has its own vars, selection, --replace and --retry-failed; pass none of them"
        )
    if saved.emulated != given["emulate"] and not saved.emulated:
        raise UsageError("this plan was not made with --emulate")
    workspace = open_workspace(
        source.parent / saved.manifest, replace(flags, emulate=saved.emulated), saved.variables
    )
    if workspace.campaign.name != saved.campaign:
        raise InvalidInput(f"{source}: the plan of '{saved.campaign}', not of '{workspace.campaign.name}'")
    return workspace


def _options(
    state: CampaignState,
    saved: SavedPlan | None,
    given: dict[str, Any],
    events: Events | None,
    watching: Observers,
) -> RunOptions:
    planned = (
        plan_options(state, plan_arguments(given)) if saved is None else saved_plan_options(state, saved)
    )
    publishing = given["checkpoint"]
    workspace = state.workspace
    checkpoint = (
        Checkpoint(publishing, workspace.inputs, workspace.environment.variables) if publishing else None
    )
    return RunOptions(
        plan=planned,
        concurrency=given["concurrency"],
        in_flight=given["in_flight"],
        rate=given["rate"],
        max_creates=given["max_creates"],
        max_credits=given["max_credits"],
        fail_threshold=given["fail_threshold"],
        request_timeout=given["request_timeout"],
        max_poll_interval=given["poll_interval"],
        wait=not given["no_wait"],
        download=not given["no_download"],
        fail_fast=given["fail_fast"],
        frozen=given["frozen"],
        checkpoint=checkpoint,
        on_change=watching.changed if events is None else partial(_tell_both, events, watching),
        observe=watching.watched,
    )

"""`pipeline collect`: fetches what is already paid for, and buys nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import (
    campaign_here,
    given_variables,
    open_workspace,
    plan_arguments,
    record_paths,
)
from pipeline.cli.json_documents import collected_document, outcome_document
from pipeline.cli.options import (
    INPUT,
    CampaignFlags,
    argument,
    campaign_options,
    executor_option,
    format_option,
    selection_options,
    timing_options,
    verbosity,
)
from pipeline.cli.process_environment import columns_of, read_environment
from pipeline.cli.run_output import RunConsole, open_line_reporter
from pipeline.cli.signals import stopping
from pipeline.cli.terminal import paint_for, problem_lines, say, say_json
from pipeline.documents.problem_list import listed, number_of
from pipeline.errors import ExitCode, InvalidInput, UsageError, counted, printable
from pipeline.executors.choice import workers_of
from pipeline.manifest.not_manifests import NotAManifest
from pipeline.operations.campaign_records import CampaignRecords, records_at, records_beside
from pipeline.operations.collect_records import RecordsCollection
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.run_options import RunOptions
from pipeline.operations.selection import plan_options
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unmerged_records import RecordsUnmerged
from pipeline.operations.workspace import STATE_FOLDER, Workspace

if TYPE_CHECKING:
    from pipeline.schemes import StateLocation

_MAX_SHOWN = 5


@click.command("collect")
@argument("source", type=INPUT, required=False, metavar="[MANIFEST|STATE|RESULTS]")
@timing_options
@executor_option
@selection_options
@format_option("text", "json")
@campaign_options
def command(source: Path | None, **given: Any) -> int:
    """Download what is paid for: unfinished workflows, and files that are not on this machine.

    Needs the key and either the state or the results. It works even if the images are gone, a job has left
    the manifest, or the manifest can no longer be read.
    """
    source = source or campaign_here()
    flags = CampaignFlags.of(given)
    variables = given_variables(flags)
    records = records_at(source, record_paths(flags))
    if records is not None:
        return _collect_records(replace(records, variables=variables), given)
    try:
        workspace = open_workspace(source, flags)
    except (NotAManifest, RecordsUnmerged):
        raise
    except InvalidInput as error:
        records = records_beside(source, record_paths(flags))
        if records is None:
            raise
        _print_problems(source, error, records)
        return _collect_records(replace(records, variables=variables), given)
    return _collect_campaign(workspace, given)


def _collect_campaign(workspace: Workspace, given: dict[str, Any]) -> int:
    workers = workers_of(given["executor"], workspace.environment.variables, workspace.scratch / "workers")
    with stopping() as stop, open_campaign(workspace, writable=True) as state:
        options = RunOptions(
            open_workers=workers,
            plan=plan_options(state, plan_arguments(given)),
            request_timeout=given["request_timeout"],
            max_poll_interval=given["poll_interval"],
        )
        is_json = given["output_format"] == "json"
        outcome = RunConsole(state, options, stop, on_stderr=is_json).collect()
        if is_json:
            say_json(outcome_document(workspace.campaign.name, outcome, workspace.results_name))
        return outcome.code


def _print_problems(source: Path, error: InvalidInput, records: CampaignRecords) -> None:
    paint = paint_for(sys.stderr, no_color=verbosity().no_color)
    shown = listed(error.problems[:_MAX_SHOWN], number_of("error", error.problems))
    for line in problem_lines(shown, paint, columns_of(sys.stderr)):
        say(line, err=True)
    say(
        f"{source} cannot be read, so everything that {_names(records.states)} is collected.",
        err=True,
    )


def _names(states: Sequence[StateLocation]) -> str:
    """The states, with the verb that follows them."""
    first, others = shown_path(states[0]), len(states) - 1
    return f"{first} and {counted(others, 'other state')} of it know" if others else f"{first} knows"


def _collect_records(records: CampaignRecords, given: dict[str, Any]) -> ExitCode:
    for name in ("select", "exclude"):
        if given[name]:
            raise UsageError(
                f"--{name} needs a manifest that can be read: from records alone, everything is collected"
            )
    environment = read_environment()
    scratch = records.folder / STATE_FOLDER / "workers"
    options = RunOptions(
        request_timeout=given["request_timeout"],
        max_poll_interval=given["poll_interval"],
        open_workers=workers_of(given["executor"], environment.variables, scratch),
    )
    with stopping() as stop:
        collection = RecordsCollection(known=records, options=options, environment=environment, stop=stop)
        collected = collection.carry_out(open_line_reporter)
    if given["output_format"] == "json":
        say_json(collected_document(collected))
        return collected.code
    for note in collected.notes:
        say(printable(note))
    if not verbosity().quiet:
        files = printable(shown_path(collected.output))
        checked = f"{counted(collected.purchases, 'purchase')} checked. Files: {files}/"
        is_empty = not collected.purchases and collected.code is ExitCode.OK
        say("Nothing to collect." if is_empty else checked)
    return collected.code

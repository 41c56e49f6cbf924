"""`pipeline plan`: shows what a run would do and cost. Needs no key and no network, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import manifests_of, open_workspaces, plan_arguments, say_warnings
from pipeline.cli.lost_approvals import warn_of_lost_approvals
from pipeline.cli.options import (
    OUTPUT,
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    manifests_argument,
    replanning_options,
    selection_options,
    verbosity,
)
from pipeline.cli.terminal import paint_for, say, say_all, say_json, untrusted_block
from pipeline.errors import ExitCode, UsageError
from pipeline.manifest.variables import read_variables
from pipeline.operations.installed import assert_provider_installed
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.plan import plan_of, save_plan
from pipeline.operations.selection import names_in, plan_options
from pipeline.planning.markdown import as_markdown
from pipeline.planning.select import Unmatched
from pipeline.planning.show import as_json, as_text, problems
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.plan import Plan, PlanArguments


@click.command("plan")
@manifests_argument
@format_option("text", "json", "markdown")
@selection_options
@replanning_options
@flag(
    "--out",
    type=OUTPUT,
    metavar="FILE",
    help="Save the plan for `run FILE`; in a folder, as NAME.plan.json for each campaign.",
)
@flag(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with code 2 if there is something to do, 4 if a limit forbids it.",
)
@campaign_options
def command(
    manifests: tuple[Path, ...], output_format: str, detailed_exitcode: bool, out: Path | None, **given: Any
) -> int:
    """Show what a run of MANIFEST would do: what is bought and why, what continues, what it costs."""
    paths = manifests_of(manifests)
    if out is not None and len(paths) != 1 and not out.is_dir():
        raise UsageError(f"--out saves the plan of one manifest, not of {len(paths)}")
    flags, arguments = CampaignFlags.of(given), plan_arguments(given)
    plans: dict[str, Plan] = {}
    workspaces = open_workspaces(paths, flags)
    expressions = (*arguments.select, *arguments.exclude, *arguments.replace)
    unmatched = Unmatched(len(workspaces), names_in([each.campaign for each in workspaces], expressions))
    for workspace in workspaces:
        # Before the jobs are made: it may be what a warning tells of that makes one of them wrong.
        say_warnings(workspace.campaign.warnings)
        if not workspace.emulated:
            assert_provider_installed(workspace.campaign)
        with open_campaign(workspace, writable=False) as state:
            say_warnings(state.job_warnings)
            warn_of_lost_approvals(state)
            name = workspace.campaign.name
            with unmatched.of(workspace.target) as shared:
                options = plan_options(state, arguments, shared)
            plans[name] = plan_of(state, options)
    # Only now: an exclusion may turn out to match nothing in the last campaign too.
    if out is not None:
        _save(out, workspaces, plans, arguments, flags)
    if output_format == "json":
        say_json(_as_json(plans))
    elif output_format == "markdown":
        say(as_markdown(plans).rstrip())
    else:
        _print_text(plans)
    return _exit_code(plans.values()) if detailed_exitcode else ExitCode.OK


def _save(
    out: Path,
    workspaces: Iterable[Workspace],
    plans: Mapping[str, Plan],
    arguments: PlanArguments,
    flags: CampaignFlags,
) -> None:
    """Write the plans to `out`: a file, or a folder with one for each campaign."""
    variables = read_variables(flags.variables, flags.variable_files)
    for workspace in workspaces:
        name = workspace.campaign.name
        file = out / f"{name}.plan.json" if out.is_dir() else out
        save_plan(file, workspace, plans[name], arguments, variables)


def _exit_code(plans: Iterable[Plan]) -> ExitCode:
    """The code for `--detailed-exitcode`: whether there is something to do, and whether a limit forbids it."""
    listed = list(plans)
    if any(plan.limit is not None for plan in listed):
        return ExitCode.STOPPED_BUYING
    return ExitCode.CHANGES if any(plan.has_changes for plan in listed) else ExitCode.OK


def _as_json(plans: dict[str, Plan]) -> dict[str, Json]:
    if len(plans) == 1:
        return as_json(next(iter(plans.values())))
    return {"campaigns": [{"campaign": name, **as_json(plan)} for name, plan in plans.items()]}


def _print_text(plans: dict[str, Plan]) -> None:
    paint = paint_for(stdout(), no_color=verbosity().no_color)
    with untrusted_block():
        for name, plan in plans.items():
            if len(plans) > 1:
                say(paint(f"{name}:", "cyan"))
            say_all(problems(plan, paint) if verbosity().quiet else as_text(plan, paint))

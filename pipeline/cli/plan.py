"""`pipeline plan`: what a run would do, and what it would cost. No key, no network, nothing written."""

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli import planfile
from pipeline.cli.options import (
    INPUT,
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    manner,
    read_variables,
    replanning_options,
    selection_options,
)
from pipeline.cli.scene import scene
from pipeline.cli.selecting import asked
from pipeline.cli.terminal import paint_for, say, say_json, untrusted_block
from pipeline.errors import ExitCode, UsageError
from pipeline.jobs import Json
from pipeline.manifest import find
from pipeline.operations.known import known
from pipeline.planning.actions import CHANGING, Plan
from pipeline.planning.make import make
from pipeline.planning.markdown import as_markdown
from pipeline.planning.show import as_json, as_text


@click.command("plan")
@click.argument("manifests", nargs=-1, required=True, type=INPUT, metavar="MANIFEST...")
@format_option("text", "json", "markdown")
@selection_options
@replanning_options
@flag(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save it, for `run FILE` to carry out.",
)
@flag("--detailed-exitcode", is_flag=True, help="End with 2 if there is something to do.")
@campaign_options
def command(
    manifests: tuple[Path, ...], form: str, detailed_exitcode: bool, out: Path | None, **given: Any
) -> int:
    """Show what a run of MANIFEST would do: what is bought anew and why, what goes on, what it costs."""
    paths = find(manifests)
    if out is not None and len(paths) != 1:
        raise UsageError(f"--out saves the plan of one manifest, not of {len(paths)}")
    flags = CampaignFlags.of(given)
    plans: dict[str, Plan] = {}
    for path in paths:
        place = scene(path, flags)
        with known(place, writable=False) as facts:
            plans[place.campaign.name] = make(
                facts.serving, facts.shelf().contents.survey(facts.serving), asked(facts, given)
            )
            if out is not None:
                variables = read_variables(flags.variables, flags.variable_files)
                planfile.save(out, facts, plans[place.campaign.name], given, variables)
    if form == "json":
        say_json(_as_json(plans))
    elif form == "markdown":
        say(as_markdown(plans).rstrip())
    else:
        _print_text(plans)
    changes = any(entry.action in CHANGING for plan in plans.values() for entry in plan.entries)
    return ExitCode.CHANGES if detailed_exitcode and changes else ExitCode.OK


def _as_json(plans: dict[str, Plan]) -> dict[str, Json]:
    if len(plans) == 1:
        return as_json(next(iter(plans.values())))
    return {"campaigns": [{"campaign": name, **as_json(plan)} for name, plan in plans.items()]}


def _print_text(plans: dict[str, Plan]) -> None:
    paint = paint_for(sys.stdout, no_color=manner().no_color)
    with untrusted_block():
        for name, plan in plans.items():
            if len(plans) > 1:
                say(paint(f"{name}:", "cyan"))
            for line in as_text(plan, paint):
                say(line)

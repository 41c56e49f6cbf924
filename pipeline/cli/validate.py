"""`pipeline validate`: every problem of every manifest, each with its place."""

import sys
from pathlib import Path

import click

from pipeline.cli.diagnostics import as_github, as_gitlab, as_json
from pipeline.cli.options import (
    INPUT,
    format_option,
    read_variables,
    variable_names,
    variable_options,
    verbosity,
    verbosity_options,
)
from pipeline.cli.terminal import paint_for, problem_lines, say, say_json, untrusted_block
from pipeline.errors import ExitCode, InvalidInput, Problem
from pipeline.manifest.campaign_checks import check_used, used_twice
from pipeline.manifest.discover import find
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.manifest.model import Campaign
from pipeline.operations.installed import provider_problem


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@format_option("text", "json", "github", "gitlab")
@variable_options
@verbosity_options
def command(
    paths: tuple[Path, ...], output_format: str, variables: tuple[str, ...], variable_files: tuple[str, ...]
) -> int:
    """Check manifests: files, or all campaigns below a folder.

    Needs no key and no network. Prints all problems at once, and exits with code 3 if there is an error.
    """
    overrides = read_variables(variables, variable_files)
    problems: list[Problem] = []
    campaigns: list[tuple[Campaign, int]] = []
    read: list[Campaign] = []
    found = find(paths)
    for path in found:
        try:
            campaign = load(path, variables=overrides)
            read.append(campaign)
            number = sum(1 for _ in expand(campaign, problems.append))
        except InvalidInput as error:
            problems.extend(error.problems)
        else:
            problems.extend(campaign.warnings)
            if problem := provider_problem(campaign, "warning"):
                problems.append(problem)
            campaigns.append((campaign, number))
    if len(read) == len(found):  # what is not known of the others may be what a var is for
        check_used(variable_names(variables), read)
    problems.extend(used_twice(campaign for campaign, _ in campaigns))
    _print(problems, campaigns, output_format)
    return ExitCode.INVALID if any(each.severity == "error" for each in problems) else ExitCode.OK


def _print(problems: list[Problem], campaigns: list[tuple[Campaign, int]], output_format: str) -> None:
    match output_format:
        case "json":
            say_json(as_json(problems))
        case "gitlab":
            say_json(as_gitlab(problems))
        case "github":
            for line in as_github(problems):
                say(line, command=True)
        case _:
            _print_text(problems, campaigns)


def _print_text(problems: list[Problem], campaigns: list[tuple[Campaign, int]]) -> None:
    paint = paint_for(sys.stdout, no_color=verbosity().no_color)
    with untrusted_block():
        for line in problem_lines(problems, paint):
            say(line)
        if not verbosity().quiet:
            for campaign, number in campaigns:
                say(
                    f"{campaign.manifest.name}: {campaign.name} is {paint('valid', 'green')}, {number:,} job(s)"
                )

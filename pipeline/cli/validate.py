"""`pipeline validate`: lists every problem of every manifest with its line, also in formats for other tools."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    INPUT,
    argument,
    format_option,
    variable_options,
    verbosity,
    verbosity_options,
)
from pipeline.cli.process_environment import columns_of
from pipeline.cli.terminal import paint_for, problem_lines, say, say_json, untrusted_block
from pipeline.documents.problem_list import number_of
from pipeline.errors import ExitCode, InvalidInput, Problem, UsageError, counted, in_order, printable
from pipeline.manifest.campaign_checks import check_used, used_twice, warnings_of_files
from pipeline.manifest.discover import find
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.manifest.variables import read_variables, variable_names
from pipeline.operations.installed import provider_problem
from pipeline.schemes import without_secrets
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.model import Campaign

    # A manifest that is valid, its campaign, and the number of its jobs.
    _Valid = tuple[Path, Campaign, int]


@click.command("validate")
@argument("paths", nargs=-1, type=INPUT, metavar="[PATH...]")
@format_option("text", "json", "github", "gitlab")
@variable_options
@verbosity_options
def command(
    paths: tuple[Path, ...], output_format: str, variables: tuple[str, ...], variable_files: tuple[str, ...]
) -> int:
    """Check manifests: files, or all campaigns below a folder. Without a PATH, the only campaign of this folder.

    Needs no key and no network. Prints all problems at once, and exits with code 3 if there is an error.
    """
    problems: list[Problem] = []
    valid: list[_Valid] = []
    code = ExitCode.OK
    try:
        _check(paths, variables, variable_files, problems, valid)
    except (InvalidInput, UsageError) as error:
        if output_format == "text":
            raise
        # A report that is empty would say that all is well.
        problems += (
            error.problems if isinstance(error, InvalidInput) else (Problem(without_secrets(str(error))),)
        )
        code = error.exit_code
    _print(problems, valid, output_format)
    has_errors = any(each.severity == "error" for each in problems)
    return code or (ExitCode.INVALID if has_errors else ExitCode.OK)


def _check(
    paths: tuple[Path, ...],
    variables: tuple[str, ...],
    variable_files: tuple[str, ...],
    problems: list[Problem],
    valid: list[_Valid],
) -> None:
    """Add to `problems` what is found in the manifests, and to `valid` those that have jobs, and how many.

    Raises:
        InvalidInput: a path does not exist, or a folder has no campaign.
        UsageError: there is no campaign here, or no manifest uses a var.
    """
    overrides = read_variables(variables, variable_files)
    read: list[Campaign] = []
    found = find(paths or [_campaign_here()])
    for path in found:
        try:
            campaign = load(path, variables=overrides)
        except InvalidInput as error:
            problems.extend(error.problems)
            continue
        read.append(campaign)
        doubts = [*campaign.warnings]
        try:
            number = sum(1 for _ in expand(campaign, doubts.append))
        except InvalidInput as error:
            # A warning may name the cause of an error, such as an empty prompt, which makes no job.
            problems.extend(in_order((*doubts, *error.problems)))
        else:
            problems.extend(in_order(doubts))
            if problem := provider_problem(campaign, "warning"):
                problems.append(problem)
            valid.append((path, campaign, number))
    if len(read) == len(found):  # an unreadable manifest may be the one that uses a var
        check_used(variable_names(variables), read)
        problems.extend(warnings_of_files(variable_files, read))
    problems.extend(used_twice(campaign for _, campaign, _ in valid))


def _campaign_here() -> Path:
    # Imported here, since it loads records, which no manifest that is named needs.
    from pipeline.cli.context import campaign_here

    return campaign_here()


def _print(problems: list[Problem], valid: Iterable[_Valid], output_format: str) -> None:
    match output_format:
        case "json":
            say_json(as_json(problems))
        case "gitlab":
            say_json(as_gitlab(problems))
        case "github":
            for line in as_github(problems):
                say(line, command=True)
        case _:
            _print_text(problems, valid)


def _print_text(problems: list[Problem], valid: Iterable[_Valid]) -> None:
    paint = paint_for(stdout(), no_color=verbosity().no_color)
    with untrusted_block():
        for line in problem_lines(problems, paint, columns_of(stdout())):
            say(line)
        if not verbosity().quiet:
            word = paint("valid", "green")
            for path, campaign, number in valid:
                say(f"{printable(str(path))}: {campaign.name} is {word}, {counted(number, 'job')}")


_LONGEST = 2000


def as_json(problems: Iterable[Problem]) -> dict[str, Json]:
    """The format of `terraform validate -json`: severity, summary, detail, range, snippet."""
    listed = list(problems)
    errors = number_of("error", listed)
    return {
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": number_of("warning", listed),
        "diagnostics": [_diagnostic(each) for each in listed],
    }


def _diagnostic(problem: Problem) -> Json:
    written: dict[str, Json] = {
        "severity": problem.severity,
        "summary": problem.message,
        "detail": problem.path,
    }
    if problem.position is not None and problem.position.line == 0:
        # A missing file has no range, but its name must not be lost.
        written["detail"] = ": ".join(part for part in (problem.position.file, problem.path) if part)
    elif problem.position is not None:
        start: Json = {"line": problem.position.line, "column": problem.position.column}
        written["range"] = {"filename": problem.position.file, "start": start, "end": start}
        written["snippet"] = {
            "code": problem.source,
            "start_line": problem.position.line,
            "highlight_start_offset": min(problem.position.column - 1, len(problem.source)),
        }
    return written


def as_github(problems: Iterable[Problem]) -> Iterator[str]:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    for problem in problems:
        location = ""
        if problem.position is not None:
            location = f" file={_property(problem.position.file)}"
            if problem.position.line:
                location += f",line={problem.position.line},col={problem.position.column}"
        text = f"{problem.path}: {problem.message}" if problem.path else problem.message
        yield f"::{problem.severity}{location}::{_data(printable(text, _LONGEST))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_gitlab(problems: Iterable[Problem]) -> list[Json]:
    """GitLab's code quality report."""
    return [_quality(problem) for problem in problems]


def _quality(problem: Problem) -> Json:
    file = problem.position.file if problem.position else "."
    line = max(1, problem.position.line) if problem.position else 1
    # The same problem keeps its fingerprint when lines above it change.
    fingerprint = hashlib.sha256(f"{file}\0{problem.path}\0{problem.message}".encode()).hexdigest()
    return {
        "description": printable(str(problem), _LONGEST),
        "check_name": "pipeline-validate",
        "fingerprint": fingerprint,
        "severity": "major" if problem.severity == "error" else "minor",
        "location": {"path": file, "lines": {"begin": line}},
    }

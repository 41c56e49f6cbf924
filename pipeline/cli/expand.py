"""`pipeline expand`: lists the jobs of a manifest, with their rendered requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import campaign_here, say_warnings, with_warnings
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    format_option,
    manifest_argument,
    selection_options,
)
from pipeline.cli.terminal import as_json_text, say_all, say_all_json, untrusted_block
from pipeline.errors import LONGEST_WARNING, Unfinished, printable, reason_of
from pipeline.json_values import Json, canonical_json
from pipeline.manifest.campaign_checks import check_used, warnings_of_files
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.manifest.variables import read_variables, variable_names

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.jobs import Job
    from pipeline.manifest.model import Campaign

# How many characters of a document are kept in memory.
_IN_MEMORY = 1 << 23


@click.command("expand")
@manifest_argument
@format_option("text", "json", "jsonl")
@selection_options
@campaign_options
def command(
    manifest: Path | None, output_format: str, select: tuple[str, ...], exclude: tuple[str, ...], **given: Any
) -> None:
    """List the jobs of MANIFEST in the order written, each with the request that would be sent.

    Needs no key and no network. As text and as jsonl, jobs are printed as they are made, so errors may come after
    them; a json document is printed only if there are none. A large campaign needs little memory.
    """
    manifest = manifest or campaign_here()
    flags = CampaignFlags.of(given)
    warnings: list[Problem] = []  # those that are known once all jobs are made
    if select or exclude:
        campaign, jobs = _selected(manifest, flags, select, exclude, warnings)
    else:
        campaign = load(manifest, variables=read_variables(flags.variables, flags.variable_files))
        check_used(variable_names(flags.variables), [campaign])
        [campaign] = with_warnings([campaign], warnings_of_files(flags.variable_files, [campaign]))
        say_warnings(campaign.warnings)
        jobs = expand(campaign, warnings.append)
    if output_format == "text":
        with untrusted_block():
            say_all(line for job in jobs for line in _as_text(job))
    else:
        documents = (as_json_text(_as_json(job)) for job in jobs)
        say_all_json(_document(jobs, campaign.warnings, warnings) if output_format == "json" else documents)
    say_warnings(warnings)


def _selected(
    manifest: Path,
    flags: CampaignFlags,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    warnings: list[Problem],
) -> tuple[Campaign, Iterator[Job]]:
    """The campaign and its selected jobs; a selection may refer to a job's status, so state and results are read."""
    # Imported here, since they load the state and everything that reads it.
    from pipeline.cli.context import open_workspace
    from pipeline.operations.open_campaign import open_campaign
    from pipeline.operations.selection import selected_keys

    workspace = open_workspace(manifest, flags)
    say_warnings(workspace.campaign.warnings)
    with open_campaign(workspace, writable=False) as state:
        keys = selected_keys(state, select, exclude) or frozenset()
    jobs = (job for job in expand(workspace.campaign, warnings.append) if job.key in keys)
    return workspace.campaign, jobs


def _as_json(job: Job) -> dict[str, Json]:
    return {
        "key": job.key,
        "fingerprint": job.fingerprint,
        "request": {"template_id": job.request.template_id, **job.request_json()},
        "path": job.path,
        **({"credits": job.credits} if job.credits is not None else {}),
    }


def _document(
    jobs: Iterator[Job], warnings: Iterable[Problem], later_warnings: Iterable[Problem]
) -> Iterator[str]:
    """The lines of one document with all jobs; `later_warnings` are read once these are made.

    Errors are known only after the last job, and half a document is none: so the first line is yielded after the last
    job was made. Until then, what does not fit in memory is in a temporary file.
    """
    with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", prefix="pipeline-") as lines:
        comma = ""
        for job in jobs:
            with _writing():
                lines.write(f"{comma}{as_json_text(_as_json(job), indent=2)}\n")
            comma = ","
        with _writing():
            lines.seek(0)
        yield '{"jobs": ['
        yield from (line.removesuffix("\n") for line in lines)
        told: list[Json] = [printable(str(each), LONGEST_WARNING) for each in (*warnings, *later_warnings)]
        yield f'], "warnings": {as_json_text(told)}}}' if told else "]}"


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unfinished(f"a temporary file cannot be written: {reason_of(error)}") from error


def _as_text(job: Job) -> Iterator[str]:
    yield printable(job.key, 2000)
    for name, value in {"template_id": job.request.template_id, **job.request_json()}.items():
        shown = value if isinstance(value, str) else canonical_json(value)
        yield f"    {name}: {printable(shown, 1000)}"

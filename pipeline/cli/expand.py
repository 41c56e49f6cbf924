"""`pipeline expand`: lists the jobs of a manifest, with their rendered requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import campaign_here, say_warnings, with_warnings
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    format_option,
    manifest_argument,
    read_variables,
    selection_options,
    variable_names,
)
from pipeline.cli.terminal import as_json_text, say_all, say_all_json, untrusted_block
from pipeline.errors import printable
from pipeline.jobs import Job
from pipeline.json_values import Json, canonical_json
from pipeline.manifest.campaign_checks import check_used, unused_in_files
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load


@click.command("expand")
@manifest_argument
@format_option("text", "json", "jsonl")
@selection_options
@campaign_options
def command(
    manifest: Path | None, output_format: str, select: tuple[str, ...], exclude: tuple[str, ...], **given: Any
) -> None:
    """List the jobs of MANIFEST in the order written, each with the request that would be sent.

    Needs no key and no network. Jobs are printed as they are made, so a large campaign needs little memory.
    """
    manifest = manifest or campaign_here()
    flags = CampaignFlags.of(given)
    if select or exclude:
        jobs = _selected(manifest, flags, select, exclude)
    else:
        campaign = load(manifest, variables=read_variables(flags.variables, flags.variable_files))
        check_used(variable_names(flags.variables), [campaign])
        [campaign] = with_warnings([campaign], unused_in_files(flags.variable_files, [campaign]))
        say_warnings(campaign)
        jobs = expand(campaign)
    if output_format == "text":
        with untrusted_block():
            say_all(line for job in jobs for line in _as_text(job))
    else:
        documents = (as_json_text(_as_json(job)) for job in jobs)
        say_all_json(_document(jobs) if output_format == "json" else documents)


def _selected(
    manifest: Path, flags: CampaignFlags, select: tuple[str, ...], exclude: tuple[str, ...]
) -> Iterator[Job]:
    """The selected jobs; a selection may refer to a job's status, so state and results are read."""
    # Imported here, since they load the state and everything that reads it.
    from pipeline.cli.context import open_workspace
    from pipeline.operations.campaign_state import open_campaign
    from pipeline.operations.selection import selected_keys

    workspace = open_workspace(manifest, flags)
    say_warnings(workspace.campaign)
    with open_campaign(workspace, writable=False) as state:
        keys = selected_keys(state, select, exclude) or frozenset()
    return (job for job in expand(workspace.campaign) if job.key in keys)


def _as_json(job: Job) -> dict[str, Json]:
    return {
        "key": job.key,
        "fingerprint": job.fingerprint,
        "request": {"template_id": job.request.template_id, **job.request_json()},
        "path": job.path,
        **({"credits": job.credits} if job.credits is not None else {}),
    }


def _document(jobs: Iterator[Job]) -> Iterator[str]:
    """The text of one document with all jobs, piece by piece."""
    yield '{"jobs": ['
    comma = ""
    for job in jobs:
        yield f"{comma}{as_json_text(_as_json(job), indent=2)}"
        comma = ","
    yield "]}"


def _as_text(job: Job) -> Iterator[str]:
    yield printable(job.key, 2000)
    for name, value in {"template_id": job.request.template_id, **job.request_json()}.items():
        shown = value if isinstance(value, str) else canonical_json(value)
        yield f"    {name}: {printable(shown, 1000)}"

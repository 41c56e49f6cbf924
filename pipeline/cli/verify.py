"""`pipeline verify`: checks that manifest, state, results, files and vendor agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    manifest_argument,
    verbosity,
)
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say, say_json, say_on_stderr, untrusted_block
from pipeline.errors import ExitCode, Unfinished, counted, printable
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.provider import vendor, vendor_calls
from pipeline.operations.verify import Disagreement, at_vendor, in_decisions, in_files, in_records
from pipeline.providers.base import VendorError

if TYPE_CHECKING:
    from pipeline.engine.reporter import Stop
    from pipeline.operations.campaign_state import CampaignState

_LONGEST = 2000


@click.command("verify")
@manifest_argument
@flag("--files", is_flag=True, help="Also hash every file on this machine.")
@flag("--remote", is_flag=True, help="Also ask the vendor for every workflow; needs the key.")
@format_option("text", "json")
@campaign_options
def command(manifest: Path | None, files: bool, remote: bool, output_format: str, **flags: object) -> int:
    """Check that MANIFEST, its state and its results agree; if not, list all differences and exit with code 1."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    found: list[Disagreement] = []
    notes: list[str] = []
    with (
        ended_by_signals() as stop,
        open_campaign(workspace, writable=False) as state,
        untrusted_block(err=output_format == "json"),
    ):
        # Printed as they are found, since the vendor may be slow, or not answer at all.
        for each in _found(state, stop, notes.append, files=files, remote=remote):
            found.append(each)
            if output_format == "text":
                say(printable(each.message, _LONGEST))
    if output_format == "json":
        say_json(
            {
                "campaign": workspace.campaign.name,
                "agree": not found,
                "differences": [{"in": each.found_in, "message": each.message} for each in found],
                "notes": [*notes],
            }
        )
    elif not verbosity().quiet:
        say(f"{counted(len(found), 'difference')}." if found else "Manifest, state and results agree.")
        for each_note in notes:
            say(each_note)
    return ExitCode.FAILED if found else ExitCode.OK


def _found(
    state: CampaignState, stop: Stop, note: Callable[[str], object], *, files: bool, remote: bool
) -> Iterator[Disagreement]:
    yield from in_decisions(state)
    yield from in_records(state, note)
    if files:
        yield from in_files(state)
    if remote:
        with vendor(state.workspace) as provider, vendor_calls(stop, say_on_stderr) as calls:
            try:
                yield from at_vendor(state, provider, calls)
            except VendorError as error:
                raise Unfinished(f"the vendor cannot be asked: {error}") from error

"""`pipeline prune` and `destroy`: deletes at the vendor and here what nothing needs, or everything."""

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.environment import is_terminal
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    manifest_argument,
    selection_options,
    verbosity,
)
from pipeline.cli.terminal import say, untrusted_block
from pipeline.errors import ExitCode, PipelineError, Unfinished, UsageError, printable
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.operations.delete import Deletions, carry_out, to_destroy, to_prune
from pipeline.operations.provider import vendor
from pipeline.operations.selection import selected_keys
from pipeline.purchases import Purchase

_LONGEST = 2000


@click.command("prune")
@manifest_argument
@flag("--replaced", is_flag=True, help="Also what was replaced.")
@flag("--yes", is_flag=True, help="Do not ask.")
@selection_options
@campaign_options
def prune(manifest: Path, **given: Any) -> int:
    """Delete orphans that have ended, at the vendor and here. Never what serves a job or what that hangs on."""
    workspace = open_workspace(manifest, CampaignFlags.of(given))
    with open_campaign(workspace, writable=True) as state:
        keys = selected_keys(state, given["select"], given["exclude"])
        return _delete(state, to_prune(state, replaced=given["replaced"], keys=keys), yes=given["yes"])


@click.command("destroy")
@manifest_argument
@flag("--yes", is_flag=True, help="Do not ask.")
@campaign_options
def destroy(manifest: Path, yes: bool, **flags: object) -> int:
    """Delete everything that was ever bought for MANIFEST, at the vendor and here."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=True) as state:
        return _delete(state, to_destroy(state), yes=yes)


def _delete(state: CampaignState, deletions: Deletions, *, yes: bool) -> int:
    with untrusted_block():
        for purchase in deletions.new:
            say(f"  - {printable(purchase.key, _LONGEST)} ({purchase.id}): {purchase.status}")
    if not deletions:
        say("Nothing to delete.")
        return ExitCode.OK
    if deletions.new and not yes:
        _ask(len(deletions.new))
    with vendor(state.workspace) as provider:
        failed = carry_out(state, deletions, provider, _tell_failure)
    if not verbosity().quiet:
        later = f", {failed:,} not yet: run it again" if failed else ""
        say(f"{len(deletions) - failed:,} deleted{later}.")
    return ExitCode.UNFINISHED if failed else ExitCode.OK


def _ask(number: int) -> None:
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise UsageError(f"{number} purchase(s) would be deleted, and nobody can be asked: give --yes")
    if not click.confirm(f"Delete {number}? It cannot be undone", default=False):
        raise Unfinished("nothing was deleted")


def _tell_failure(purchase: Purchase, error: PipelineError) -> None:
    name = f"{printable(purchase.key, _LONGEST)} ({purchase.id})"
    say(f"{name}: not deleted: {printable(str(error))}", err=True)

"""`pipeline prune` and `destroy`: deletes what no job needs, or everything, at the vendor and here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    argument,
    campaign_options,
    flag,
    required_manifest_argument,
    selection_options,
    verbosity,
)
from pipeline.cli.process_environment import is_terminal
from pipeline.cli.signals import asking, ended_by_signals
from pipeline.cli.terminal import say, say_on_stderr, untrusted_block
from pipeline.errors import ExitCode, PipelineError, Unfinished, UsageError, counted, most_urgent, printable
from pipeline.operations.delete import (
    Deletions,
    carry_out,
    delete_files,
    to_destroy,
    to_prune,
    to_prune_by_name,
)
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.provider import assert_not_stopped, vendor, vendor_calls
from pipeline.planning.hints import unknown_advice, unknown_outcome
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.engine.reporter import Stop
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.purchases import Purchase

_LONGEST = 2000
_MOST_IDS = 3


@click.command("prune")
@required_manifest_argument
@argument("names", nargs=-1, metavar="[PURCHASE...]")
@flag("--replaced", is_flag=True, help="Also delete replaced purchases, and unneeded copies of files.")
@flag("--yes", is_flag=True, help="Do not ask.")
@selection_options
@campaign_options
def prune(manifest: Path, names: tuple[str, ...], **given: Any) -> int:
    """Delete orphans that have ended, here and at the vendor: purchases whose job has left the manifest.

    What serves a job stays, and so does what it was made from. A workflow that cannot be proven to be this
    campaign's is left alone, unless you give its purchase's id.
    """
    if names and (given["select"] or given["exclude"] or given["replaced"]):
        raise UsageError("name purchases by their ids or select them, not both")
    workspace = open_workspace(manifest, CampaignFlags.of(given))
    with ended_by_signals() as stop, open_campaign(workspace, writable=True) as state:
        if names:
            deletions = to_prune_by_name(state, names)
        else:
            deletions = to_prune(
                state, replaced=given["replaced"], select=given["select"], exclude=given["exclude"]
            )
        return _delete(state, deletions, stop, yes=given["yes"])


@click.command("destroy")
@required_manifest_argument
@flag("--yes", is_flag=True, help="Do not ask.")
@campaign_options
def destroy(manifest: Path, yes: bool, **flags: object) -> int:
    """Delete everything that was ever bought for MANIFEST, here and at the vendor.

    A purchase whose outcome is unknown is left alone until it is resolved.
    """
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with ended_by_signals() as stop, open_campaign(workspace, writable=True) as state:
        return _delete(state, to_destroy(state), stop, yes=yes)


def _delete(state: CampaignState, deletions: Deletions, stop: Stop, *, yes: bool) -> int:
    with untrusted_block():
        _print_list(state, deletions)
    _print_unproven(state, deletions.unproven)
    for expression, purchases in deletions.undecided.items():
        say(
            f"'{printable(expression)}': {counted(len(purchases), 'orphan')} left alone, because the records do not "
            f"tell whether it matches; name them by their ids: {', '.join(each.id for each in purchases[:_MOST_IDS])}"
            f"{', …' if len(purchases) > _MOST_IDS else ''}",
            err=True,
        )
    codes = _print_unknown(state, deletions.unknown)
    if not deletions and not deletions.files:
        say("Nothing to delete.")
        return most_urgent(codes)
    if not yes:
        _ask(deletions, stop)
    if deletions and _delete_purchases(state, deletions, stop):
        codes.add(ExitCode.UNFINISHED)
    delete_files(state, deletions.files)
    if deletions.files and not verbosity().quiet:
        say(f"{_files(deletions)} deleted.")
    return most_urgent(codes)


def _print_list(state: CampaignState, deletions: Deletions) -> None:
    approved = {each.id for each in deletions if each.id in state.decisions.approved}
    requested = {each.id for each in deletions.requested}
    for purchase in deletions:
        how = f"{purchase.status}, approved" if purchase.id in approved else purchase.status
        again = "again: " if purchase.id in requested else ""
        say(f"  - {again}{printable(purchase.key, _LONGEST)} ({purchase.id}): {how}")
    for path in deletions.copies:
        say(f"  - {printable(path, _LONGEST)}: a copy that no job needs")
    for path in deletions.leftovers:
        say(f"  - {printable(path, _LONGEST)}: a file of a purchase that is deleted at the vendor")
    if approved:
        say(f"{counted(len(approved), 'of them is', 'of them are')} approved.")


def _delete_purchases(state: CampaignState, deletions: Deletions, stop: Stop) -> int:
    """Delete the purchases; the number of those that could not be."""
    with vendor(state.workspace) as provider, vendor_calls(stop, say_on_stderr) as calls:
        ended = carry_out(state, deletions, provider, calls, _print_failure)
    if not verbosity().quiet:
        before = f", {ended.before:,} had been deleted before" if ended.before else ""
        later = f", {ended.failed:,} could not be deleted yet: run again" if ended.failed else ""
        say(f"{ended.deleted:,} deleted{before}{later}.")
    return ended.failed


def _files(deletions: Deletions) -> str:
    return counted(len(deletions.files), "unneeded file")


def _print_unknown(state: CampaignState, unknown: Sequence[Purchase]) -> set[ExitCode]:
    """Name the purchases that may be at the vendor and are left alone; returns the resulting exit codes."""
    codes, to_resolve = set(), []
    for purchase in unknown:
        if purchase.id in state.elsewhere():
            why = f"it is under way elsewhere, since {purchase.bought_at}"
            codes.add(ExitCode.UNFINISHED)
        else:
            why = unknown_outcome(purchase.error)
            codes.add(ExitCode.ATTENTION)
            to_resolve.append(purchase.id)
        name = f"{printable(purchase.key, _LONGEST)} ({purchase.id})"
        say(f"{name}: left alone, because {printable(why)}", err=True)
    if to_resolve:
        say(unknown_advice(state.workspace.target, to_resolve), err=True)
    return codes


def _print_unproven(state: CampaignState, unproven: Sequence[Purchase]) -> None:
    for purchase in unproven:
        name = f"{printable(purchase.key, _LONGEST)} ({purchase.id})"
        say(f"{name}: left alone, because nothing proves that its workflow is this campaign's", err=True)
    if unproven:
        command = f"`pipeline prune {state.workspace.target} {unproven[0].id}`"
        say(
            f"If you know that it is, delete it by its id: {command} "
            "(see docs/reference/errors.md#unproven-workflow)",
            err=True,
        )


def _ask(deletions: Deletions, stop: Stop) -> None:
    if not (is_terminal(sys.stdin) and is_terminal(stdout())):
        number = len(deletions)
        what = counted(number, "purchase") if number else _files(deletions)
        raise UsageError(f"{what} would be deleted, but there is no terminal to ask on; pass --yes")
    try:
        with asking(stop):
            number = len(deletions) + len(deletions.files)
            is_confirmed = click.confirm(f"Delete {number}? This cannot be undone", default=False)
    except click.Abort:
        say()  # The cursor is still on the line of the question.
        is_confirmed = False
    assert_not_stopped(stop)
    if not is_confirmed:
        raise Unfinished("nothing was deleted")


def _print_failure(purchase: Purchase, error: PipelineError) -> None:
    name = f"{printable(purchase.key, _LONGEST)} ({purchase.id})"
    say(f"{name}: not deleted: {printable(str(error))}", err=True)

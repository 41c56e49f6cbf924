"""`pipeline prune` and `destroy`: deletes at the vendor and here what nothing needs, or everything."""

import random
import sys
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

import click

from pipeline.artifacts.inventory import needed
from pipeline.assignment import assign
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
from pipeline.cli.selection import selected
from pipeline.cli.terminal import say, untrusted_block
from pipeline.engine.repeated import repeated
from pipeline.engine.updating import assert_bought
from pipeline.errors import ExitCode, InvalidInput, Unfinished, UsageError, printable
from pipeline.operations.campaign_state import CampaignState, open_campaign, served_by
from pipeline.operations.provider import vendor
from pipeline.operations.results_publisher import Publisher
from pipeline.operations.workspace import now
from pipeline.planning.prune import destroyable, prunable
from pipeline.providers.base import NotFound, Provider, VendorError
from pipeline.purchases import Purchase
from pipeline.state.store import Change
from pipeline.state.transitions import Deleted, Event, Removed, advance

_TIMEOUT = 60.0


@click.command("prune")
@manifest_argument
@flag("--replaced", "earlier", is_flag=True, help="Also what was replaced.")
@flag("--yes", is_flag=True, help="Do not ask.")
@selection_options
@campaign_options
def prune(
    manifest: Path,
    earlier: bool,
    yes: bool,
    chosen: tuple[str, ...],
    excluded: tuple[str, ...],
    **flags: object,
) -> int:
    """Delete orphans that have ended, at the vendor and here. Never what serves a job or what that hangs on."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=True) as state:
        keys = selected(state, chosen, excluded)
        found = [
            each for each in prunable(state.assignment, replaced=earlier) if keys is None or each.key in keys
        ]
        return _delete(state, found, yes=yes)


@click.command("destroy")
@manifest_argument
@flag("--yes", is_flag=True, help="Do not ask.")
@campaign_options
def destroy(manifest: Path, yes: bool, **flags: object) -> int:
    """Delete everything that was ever bought for MANIFEST, at the vendor and here."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=True) as state:
        return _delete(state, destroyable(state.assignment), yes=yes)


def _delete(state: CampaignState, found: list[Purchase], *, yes: bool) -> int:
    wished = [
        each for each in state.records.purchases.values() if each.deleted and not _is_answered(state, each)
    ]
    with untrusted_block():
        for purchase in found:
            say(f"  - {printable(purchase.key, 2000)} ({purchase.id}): {purchase.status}")
    if not found and not wished:
        say("Nothing to delete.")
        return ExitCode.OK
    if found and not yes:
        _ask(len(found))
    doomed = {each.id: advance(each, Deleted()) for each in found} | {each.id: each for each in wished}
    with vendor(state.workspace, _TIMEOUT) as provider:
        state.store.commit([_change(each, Deleted()) for each in found])
        # What serves once these are gone says which paths are still needed.
        wanted = needed(assign(state.jobs, state.store.records(), state.decisions))
        try:
            failed = _carry_out(state, provider, list(doomed.values()), wanted)
        finally:
            # However it ended, who reads the results must know what is wished for.
            _publish(state)
    if not verbosity().quiet:
        say(f"{len(doomed) - failed:,} deleted{f', {failed:,} not yet: run it again' if failed else ''}.")
    return ExitCode.UNFINISHED if failed else ExitCode.OK


def _publish(state: CampaignState) -> None:
    records = state.store.records()
    assignment = assign(state.jobs, records, state.decisions)
    state.store.save_assignment(served_by(assignment))
    Publisher(state.workspace, state.published).publish(assignment, records, state.decisions, {})


def _ask(number: int) -> None:
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise UsageError(f"{number} purchase(s) would be deleted, and nobody can be asked: give --yes")
    if not click.confirm(f"Delete {number}? It cannot be undone", default=False):
        raise Unfinished("nothing was deleted")


def _carry_out(
    state: CampaignState, provider: Provider, doomed: list[Purchase], wanted: Collection[str]
) -> int:
    """Delete one after another; how many could not be."""
    outputs = state.outputs()
    failed = 0
    rng = random.Random()  # noqa: S311 - jitter is no secret
    for purchase in doomed:
        try:
            repeated(partial(delete, provider, purchase), time.sleep, rng)
        except (VendorError, InvalidInput) as error:
            failed += 1
            say(
                f"{printable(purchase.key, 2000)} ({purchase.id}): not deleted: {printable(str(error))}",
                err=True,
            )
            continue
        state.store.commit([_change(purchase, Removed())])
        outputs.remove(purchase, wanted)
    placed, removed = outputs.index.news()
    state.store.index_files(placed, removed)
    return failed


def delete(provider: Provider, purchase: Purchase) -> None:
    """Delete one workflow, once a GET has shown that it is the one that was bought; a missing one is deleted.

    Raises:
        InvalidInput: it is another's.
        VendorError, AccountError: as the calls of the port.
    """
    if purchase.workflow_id is None:
        return
    try:
        assert_bought(provider.get(purchase.workflow_id), purchase)
    except NotFound:
        return
    provider.delete(purchase.workflow_id)


def _is_answered(state: CampaignState, purchase: Purchase) -> bool:
    return any(event.event == "removed" for event in state.store.events(purchase.id))


def _change(purchase: Purchase, event: Event) -> Change:
    return Change(purchase, advance(purchase, event), now(), event)

"""`pipeline prune` and `destroy`: deletes at the vendor and here what nothing needs, or everything."""

import random
import sys
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

import click

from pipeline.artifacts.contents import needed
from pipeline.cli.environment import is_terminal
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    manifest_argument,
    manner,
    selection_options,
)
from pipeline.cli.scene import scene
from pipeline.cli.selecting import selected
from pipeline.cli.terminal import say, untrusted_block
from pipeline.engine.repeating import repeated
from pipeline.engine.updating import assert_bought
from pipeline.errors import ExitCode, InvalidInput, Unfinished, UsageError, printable
from pipeline.operations.known import Known, known, served_by
from pipeline.operations.publishing import Publisher
from pipeline.operations.scene import now
from pipeline.operations.vendor import vendor
from pipeline.planning.prune import destroyable, prunable
from pipeline.providers.base import NotFound, Provider, VendorError
from pipeline.purchases import Purchase
from pipeline.serving import serve
from pipeline.state.machine import Deleted, Event, Removed, advance
from pipeline.state.store import Change

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
    place = scene(manifest, CampaignFlags.of(flags))
    with known(place, writable=True) as facts:
        keys = selected(facts, chosen, excluded)
        found = [
            each for each in prunable(facts.serving, replaced=earlier) if keys is None or each.key in keys
        ]
        return _delete(facts, found, yes=yes)


@click.command("destroy")
@manifest_argument
@flag("--yes", is_flag=True, help="Do not ask.")
@campaign_options
def destroy(manifest: Path, yes: bool, **flags: object) -> int:
    """Delete everything that was ever bought for MANIFEST, at the vendor and here."""
    place = scene(manifest, CampaignFlags.of(flags))
    with known(place, writable=True) as facts:
        return _delete(facts, destroyable(facts.serving), yes=yes)


def _delete(facts: Known, found: list[Purchase], *, yes: bool) -> int:
    wished = [
        each for each in facts.records.purchases.values() if each.deleted and not _is_answered(facts, each)
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
    with vendor(facts.scene, _TIMEOUT) as provider:
        facts.store.commit([_change(each, Deleted()) for each in found])
        # What serves once these are gone says which paths are still needed.
        wanted = needed(serve(facts.jobs, facts.store.records(), facts.decisions))
        try:
            failed = _carry_out(facts, provider, list(doomed.values()), wanted)
        finally:
            # However it ended, who reads the results must know what is wished for.
            _publish(facts)
    if not manner().quiet:
        say(f"{len(doomed) - failed:,} deleted{f', {failed:,} not yet: run it again' if failed else ''}.")
    return ExitCode.UNFINISHED if failed else ExitCode.OK


def _publish(facts: Known) -> None:
    records = facts.store.records()
    serving = serve(facts.jobs, records, facts.decisions)
    facts.store.serve(served_by(serving))
    Publisher(facts.scene, facts.published).publish(serving, records, facts.decisions, {})


def _ask(number: int) -> None:
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise UsageError(f"{number} purchase(s) would be deleted, and nobody can be asked: give --yes")
    if not click.confirm(f"Delete {number}? It cannot be undone", default=False):
        raise Unfinished("nothing was deleted")


def _carry_out(facts: Known, provider: Provider, doomed: list[Purchase], wanted: Collection[str]) -> int:
    """Delete one after another; how many could not be."""
    shelf = facts.shelf()
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
        facts.store.commit([_change(purchase, Removed())])
        shelf.remove(purchase, wanted)
    placed, removed = shelf.notes.news()
    facts.store.place(placed, removed)
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


def _is_answered(facts: Known, purchase: Purchase) -> bool:
    return any(event.event == "removed" for event in facts.store.events(purchase.id))


def _change(purchase: Purchase, event: Event) -> Change:
    return Change(purchase, advance(purchase, event), now(), event)

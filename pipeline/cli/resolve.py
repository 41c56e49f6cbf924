"""`pipeline resolve`: a person resolves a purchase whose outcome is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline.assignment import is_to_be_bought_again
from pipeline.cli.context import open_workspace, split_words
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_and_names, verbosity
from pipeline.cli.review_text import next_run
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say, say_on_stderr
from pipeline.errors import UsageError, printable
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.provider import assert_not_stopped, vendor, vendor_calls
from pipeline.operations.resolve import assert_not_elsewhere, give_up, identify, not_bought
from pipeline.operations.review import served_key
from pipeline.operations.review_outlook import entry_of
from pipeline.operations.selection import purchase_named
from pipeline.purchases import Purchase, Status, WorkflowId

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.campaign_state import CampaignState


@click.command("resolve")
@manifest_and_names("KEY|PURCHASE")
@flag("--workflow-id", metavar="ID", help="It was bought, and this is its workflow.")
@flag("--not-bought", is_flag=True, help="It was not bought; its credits are free again.")
@flag("--resubmit", is_flag=True, help="Give it up as lost; the next run buys it again.")
@flag("--abandon", is_flag=True, help="Give it up as lost.")
@flag("--now", is_flag=True, help="Even if another machine may still be sending it.")
@campaign_options
def command(words: tuple[str, ...], **given: Any) -> None:
    """Resolve a create whose outcome is unknown: look at the vendor's site, then say what you found.

    The workflow's title contains the purchase's id, unless the manifest sets a title of its own.
    """
    workflow_id: WorkflowId | None = given["workflow_id"]
    if sum([workflow_id is not None, given["not_bought"], given["resubmit"], given["abandon"]]) != 1:
        raise UsageError("pass one of --workflow-id ID, --not-bought, --resubmit or --abandon")
    manifest, (name,) = split_words(words, "KEY|PURCHASE", most=1)
    workspace = open_workspace(manifest, CampaignFlags.of(given))
    with ended_by_signals() as stop, open_campaign(workspace, writable=True) as state:
        purchase = purchase_named(state, name)
        key = served_key(state.assignment, purchase)
        assert_not_stopped(stop)
        if workflow_id is not None:
            with vendor(workspace) as provider, vendor_calls(stop, say_on_stderr) as calls:
                after = identify(state, purchase, workflow_id, provider, calls)
        else:
            if not given["now"]:
                assert_not_elsewhere(state, purchase)
            after = (
                not_bought(state, purchase)
                if given["not_bought"]
                else give_up(state, purchase, again=given["resubmit"])
            )
        if not verbosity().quiet:
            say(f"{printable(after.key)} ({after.id}): {_outcome(purchase, after)}")
            _print_what_follows(state.reread(), key, after, is_asked=given["not_bought"] or given["resubmit"])


def _outcome(before: Purchase, after: Purchase) -> str:
    if after.status is Status.VOID:
        return "not bought; its credits are free again"
    if before.status is Status.VOID:
        return f"{after.status}; its credits count again"
    return f"{after.status} ({after.reason})" if after.reason else after.status.value


def _print_what_follows(state: CampaignState, key: JobKey, after: Purchase, *, is_asked: bool) -> None:
    """Say what the next run does for the job, or which other purchase serves it.

    `is_asked`: the purchase was resolved so that it may be bought again.
    """
    is_sent_back = after.id in state.decisions.redo
    is_to_buy_again = is_to_be_bought_again(after, state.decisions)
    if is_asked or is_to_buy_again or is_sent_back:
        was_bought = after.status is not Status.VOID
        follows = next_run(entry_of(state, key), state.decisions.approved, was_bought=was_bought)
        if is_asked:
            say(f"{follows[:1].upper()}{follows[1:]}.")
        else:
            why = "It stays marked to be bought again" if is_to_buy_again else "It was sent back (redo)"
            say(f"{why}: {follows}.")
        return
    serving = state.assignment.by_key.get(key)
    if serving is not None and serving.id != after.id:
        say(f"{serving.id} serves in its place.")

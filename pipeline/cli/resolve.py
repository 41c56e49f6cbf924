"""`pipeline resolve`: a person settles a purchase whose outcome nobody could tell."""

from pathlib import Path

import click

from pipeline.assignment import assign
from pipeline.cli.context import open_workspace
from pipeline.cli.naming import purchase_named
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_argument, verbosity
from pipeline.cli.terminal import say
from pipeline.engine.updating import assert_bought
from pipeline.errors import InvalidInput, UsageError, printable
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.operations.provider import vendor
from pipeline.operations.results_publisher import Publisher
from pipeline.operations.workspace import now
from pipeline.providers.base import NotFound, Provider
from pipeline.purchases import Purchase, Reason, Status, WorkflowId
from pipeline.state.store import Change
from pipeline.state.transitions import Event, GivenUp, Identified, advance

_TIMEOUT = 60.0


@click.command("resolve")
@manifest_argument
@click.argument("name", metavar="KEY|PURCHASE")
@flag("--workflow-id", metavar="ID", help="It was bought: this is its workflow.")
@flag("--resubmit", is_flag=True, help="Give it up as lost, and have the next run buy it again.")
@flag("--abandon", is_flag=True, help="Give it up as lost.")
@campaign_options
def command(
    manifest: Path, name: str, workflow_id: WorkflowId | None, resubmit: bool, abandon: bool, **flags: object
) -> None:
    """Settle what a create with an unknown outcome came to: look at the vendor's site, then say it here.

    The purchase's id stands in the workflow's title, unless the manifest has a title of its own.
    """
    if sum([workflow_id is not None, resubmit, abandon]) != 1:
        raise UsageError("say one of --workflow-id ID, --resubmit and --abandon")
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=True) as state:
        purchase = purchase_named(name, state.assignment, state.records)
        if workflow_id is None:
            event: Event = _given_up(purchase, again=resubmit)
        else:
            with vendor(workspace, _TIMEOUT) as provider:
                event = _identified(purchase, workflow_id, state, provider)
        after = _commit(state, purchase, event)
    if not verbosity().quiet:
        say(
            f"{printable(after.key)} ({after.id}): {after.status}{f' ({after.reason})' if after.reason else ''}"
        )
        if resubmit:
            say("The next run buys it again.")
        elif after.again:
            say("It stays marked to be made again: the next run buys it again, unless one has done so.")


def _commit(state: CampaignState, purchase: Purchase, event: Event) -> Purchase:
    after = advance(purchase, event)
    state.store.commit([Change(purchase, after, now(), event)])
    records = state.store.records()
    assignment = assign(state.jobs, records, state.decisions)
    Publisher(state.workspace, state.published).publish(assignment, records, state.decisions, {})
    return after


def _given_up(purchase: Purchase, *, again: bool) -> Event:
    if purchase.status not in {Status.ATTENTION, Status.SUBMITTED}:
        hint = "; `pipeline run --retry-failed` buys it again" if purchase.status is Status.FAILED else ""
        raise UsageError(
            f"{purchase.id} is {purchase.status}: only what is in attention or stuck can be given up{hint}"
        )
    return GivenUp("given up as lost", again)


def _identified(
    purchase: Purchase, workflow_id: WorkflowId, state: CampaignState, provider: Provider
) -> Event:
    """Check the workflow that a person named: a wrong one would pass for the result of this job.

    Raises:
        UsageError: the purchase is settled already or deleted, or another one has this workflow.
        InvalidInput: the workflow is not there, or its template or title is not what was sent.
    """
    if purchase.status is not Status.ATTENTION and purchase.reason is not Reason.LOST:
        raise UsageError(f"{purchase.id} is {purchase.status}: there is nothing to resolve")
    if purchase.deleted:
        raise UsageError(
            f"{purchase.id} was deleted here, and nothing follows it any more: what "
            f"{printable(workflow_id)} made is to be had at the vendor's site only"
        )
    owner = next((each for each in state.records.purchases.values() if each.workflow_id == workflow_id), None)
    if owner is not None and owner.id != purchase.id:
        raise UsageError(f"{printable(workflow_id)} is the workflow of {owner.id} ({printable(owner.key)})")
    try:
        workflow = provider.get(workflow_id)
    except NotFound:
        raise InvalidInput(f"the vendor knows no workflow {printable(workflow_id)}") from None
    assert_bought(workflow, purchase)
    return Identified(workflow_id)

"""`pipeline rate`: tells the vendor what the review said."""

import random
import time
from functools import partial
from pathlib import Path

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.naming import purchase_named
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_argument, verbosity
from pipeline.cli.terminal import say
from pipeline.engine.repeated import repeated
from pipeline.engine.updating import assert_bought
from pipeline.errors import Unfinished, UsageError, printable
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.provider import vendor
from pipeline.operations.workspace import now
from pipeline.providers.base import Changes, Provider, VendorError
from pipeline.purchases import Purchase
from pipeline.results import decisions

_TIMEOUT = 60.0


@click.command("rate")
@manifest_argument
@click.argument("names", nargs=-1, required=True, metavar="KEY|PURCHASE...")
@flag("--rating", type=click.IntRange(1, 5), help="Stars; else those of the decisions file.")
@flag("--delivered", is_flag=True, help="It was delivered, now.")
@campaign_options
def command(
    manifest: Path, names: tuple[str, ...], rating: int | None, delivered: bool, **flags: object
) -> None:
    """Tell the vendor the rating of what serves these jobs, or that it was delivered. Costs nothing."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    written = {
        each.purchase: each.rating for each in decisions.read(workspace.decisions, workspace.decisions_name)
    }
    rng = random.Random()  # noqa: S311 - jitter is no secret
    with open_campaign(workspace, writable=True) as state, vendor(workspace, _TIMEOUT) as provider:
        for name in names:
            purchase = purchase_named(name, state.assignment, state.records)
            stars = rating or written.get(purchase.id)
            if stars is None and not delivered:
                raise UsageError(f"{printable(name)}: no rating given, none decided: --rating or --delivered")
            changes = Changes(rating=stars, delivered_at=now() if delivered else None)
            try:
                repeated(partial(_tell, provider, purchase, changes), time.sleep, rng)
            except VendorError as error:
                raise Unfinished(f"{printable(name)}: the vendor could not be told: {error}") from error
            if not verbosity().quiet:
                say(f"{printable(purchase.key, 2000)} ({purchase.id}): told")


def _tell(provider: Provider, purchase: Purchase, changes: Changes) -> None:
    if purchase.workflow_id is None:
        raise UsageError(f"{purchase.id} has no workflow at the vendor")
    assert_bought(provider.get(purchase.workflow_id), purchase)
    provider.update(purchase.workflow_id, changes)

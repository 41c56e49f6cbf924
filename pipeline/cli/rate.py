"""`pipeline rate`: sends the ratings of a review to the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.context import open_workspace, split_words
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_and_names, verbosity
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say, say_on_stderr
from pipeline.errors import ExitCode, PipelineError, most_urgent, printable
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.provider import vendor, vendor_calls
from pipeline.operations.rate import ratings, send

if TYPE_CHECKING:
    from pipeline.purchases import Purchase


@click.command("rate")
@manifest_and_names("KEY|PURCHASE...")
@flag(
    "--rating", type=click.IntRange(1, 5), metavar="N", help="Stars (default: those of the decisions file)."
)
@flag("--delivered", is_flag=True, help="Mark them as delivered now.")
@campaign_options
def command(words: tuple[str, ...], rating: int | None, delivered: bool, **flags: object) -> int:
    """Send the vendor the rating of the takes that serve these jobs, or mark them as delivered. Costs nothing."""
    manifest, names = split_words(words, "KEY|PURCHASE...")
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    codes: set[ExitCode] = set()

    def tell_failure(purchase: Purchase, error: PipelineError) -> None:
        say(f"{_name(purchase)}: {printable(str(error))}", err=True)
        codes.add(error.exit_code)

    def tell_sent(purchase: Purchase) -> None:
        if not verbosity().quiet:
            say(f"{_name(purchase)}: sent to the vendor")

    with ended_by_signals() as stop, open_campaign(workspace, writable=True) as state:
        # All names are checked before anything is sent.
        changes = ratings(state, names, rating=rating, delivered=delivered)
        with vendor(workspace) as provider, vendor_calls(stop, say_on_stderr) as calls:
            send(state, changes, provider, calls, tell_sent, tell_failure)
    return most_urgent(codes)


def _name(purchase: Purchase) -> str:
    return f"{printable(purchase.key, 2000)} ({purchase.id})"

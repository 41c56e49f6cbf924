"""`pipeline rate`: sends the ratings of a review to the vendor."""

import click

from pipeline.cli.context import open_workspace, split_words
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_and_names, verbosity
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say, say_on_stderr
from pipeline.errors import printable
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.provider import vendor, vendor_calls
from pipeline.operations.rate import rate


@click.command("rate")
@manifest_and_names("KEY|PURCHASE...")
@flag(
    "--rating", type=click.IntRange(1, 5), metavar="N", help="Stars (default: those of the decisions file)."
)
@flag("--delivered", is_flag=True, help="Mark them as delivered now.")
@campaign_options
def command(words: tuple[str, ...], rating: int | None, delivered: bool, **flags: object) -> None:
    """Send the vendor the rating of the takes that serve these jobs, or mark them as delivered. Costs nothing."""
    manifest, names = split_words(words, "KEY|PURCHASE...")
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with (
        ended_by_signals() as stop,
        open_campaign(workspace, writable=True) as state,
        vendor(workspace) as provider,
        vendor_calls(stop, say_on_stderr) as calls,
    ):
        for name in names:
            purchase = rate(state, name, provider, calls, rating=rating, delivered=delivered)
            if not verbosity().quiet:
                say(f"{printable(purchase.key, 2000)} ({purchase.id}): sent to the vendor")

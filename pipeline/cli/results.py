"""`pipeline results`: rewrites the results manifest from the state."""

from pathlib import Path

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    manifest_argument,
    shard_options,
    verbosity,
)
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say
from pipeline.errors import printable
from pipeline.operations.results_publisher import rewrite


@click.command("results")
@manifest_argument
@shard_options
@campaign_options
def command(manifest: Path | None, **flags: object) -> None:
    """Rewrite the results manifest of MANIFEST: what it asks for now, and everything that was bought.

    If nothing has been bought and there are no results, none are written.
    """
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with ended_by_signals():
        rewritten = rewrite(workspace)
    if not verbosity().quiet:
        say(f"{printable(workspace.results_name)}: {rewritten}")

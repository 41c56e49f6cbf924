"""`pipeline results`: writes the results manifest again, from the state."""

from pathlib import Path

import click

from pipeline.cli.options import CampaignFlags, campaign_options, manifest_argument, manner
from pipeline.cli.scene import scene
from pipeline.cli.terminal import say
from pipeline.errors import printable
from pipeline.operations.known import known
from pipeline.operations.publishing import Publisher


@click.command("results")
@manifest_argument
@campaign_options
def command(manifest: Path, **flags: object) -> None:
    """Write the results manifest of MANIFEST again: what is asked for now, and all that was bought."""
    place = scene(manifest, CampaignFlags.of(flags))
    with known(place, writable=False) as facts:
        written = Publisher(place, facts.published).publish(facts.serving, facts.records, facts.decisions, {})
    if not manner().quiet:
        say(f"{printable(place.results_name)}: {'written' if written else 'stands as it is'}")

"""`pipeline state`: the state as JSON, out and in."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import CampaignFlags, campaign_options, manifest_argument, manner, manner_options
from pipeline.cli.scene import scene
from pipeline.cli.terminal import say, say_json
from pipeline.errors import InvalidInput
from pipeline.operations.known import known
from pipeline.operations.publishing import Publisher
from pipeline.operations.scene import now
from pipeline.serving import serve
from pipeline.state import snapshot

_LARGEST = 1 << 30


@click.group("state")
@manner_options
def command() -> None:
    """The state as JSON: `export` prints it, `import` joins what it reads."""


@command.command("export")
@manifest_argument
@campaign_options
def export(manifest: Path, **flags: object) -> None:
    """Print the state of MANIFEST as JSON: every purchase, what serves what, every event."""
    place = scene(manifest, CampaignFlags.of(flags))
    with known(place, writable=False) as facts:
        say_json(dict(facts.store.export()))


@command.command("import")
@manifest_argument
@campaign_options
def import_(manifest: Path, **flags: object) -> None:
    """Join a state that was exported, read from standard input, into that of MANIFEST. Nothing is dropped."""
    document = _read()
    place = scene(manifest, CampaignFlags.of(flags))
    read = snapshot.read(document, "standard input")
    if read.campaign != place.campaign.name:
        raise InvalidInput(f"standard input: the state of '{read.campaign}', not of '{place.campaign.name}'")
    with known(place, writable=True) as facts:
        before = len(facts.records.purchases)
        records = facts.store.absorb(read.records, facts.decisions, now())
        serving = serve(facts.jobs, records, facts.decisions)
        Publisher(place, facts.published).publish(serving, records, facts.decisions, {})
    if not manner().quiet:
        say(f"{len(records.purchases) - before:,} purchase(s) were new, {len(records.purchases):,} in all.")


def _read() -> Any:
    text = sys.stdin.read(_LARGEST)
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidInput("standard input: nested too deep for a state export") from None
    except ValueError as error:
        raise InvalidInput(f"standard input: not JSON: {error}") from None

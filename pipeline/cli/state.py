"""`pipeline state`: the state as JSON, out and in."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from pipeline.assignment import assign
from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    manifest_argument,
    verbosity,
    verbosity_options,
)
from pipeline.cli.terminal import say, say_json
from pipeline.errors import InvalidInput
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.results_publisher import Publisher
from pipeline.operations.workspace import now
from pipeline.state import snapshot

_LARGEST = 1 << 30


@click.group("state")
@verbosity_options
def command() -> None:
    """The state as JSON: `export` prints it, `import` joins what it reads."""


@command.command("export")
@manifest_argument
@campaign_options
def export(manifest: Path, **flags: object) -> None:
    """Print the state of MANIFEST as JSON: every purchase, what serves what, every event."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=False) as state:
        say_json(dict(state.store.export()))


@command.command("import")
@manifest_argument
@campaign_options
def import_(manifest: Path, **flags: object) -> None:
    """Join a state that was exported, read from standard input, into that of MANIFEST. Nothing is dropped."""
    document = _read()
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    read = snapshot.read(document, "standard input")
    if read.campaign != workspace.campaign.name:
        raise InvalidInput(
            f"standard input: the state of '{read.campaign}', not of '{workspace.campaign.name}'"
        )
    with open_campaign(workspace, writable=True) as state:
        before = len(state.records.purchases)
        records = state.store.absorb(read.records, state.decisions, now())
        assignment = assign(state.jobs, records, state.decisions)
        Publisher(workspace, state.published).publish(assignment, records, state.decisions, {})
    if not verbosity().quiet:
        say(f"{len(records.purchases) - before:,} purchase(s) were new, {len(records.purchases):,} in all.")


def _read() -> Any:
    text = sys.stdin.read(_LARGEST)
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidInput("standard input: nested too deep for a state export") from None
    except ValueError as error:
        raise InvalidInput(f"standard input: not JSON: {error}") from None

"""`pipeline state`: exports and imports the state as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    manifest_argument,
    verbosity,
    verbosity_options,
)
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say, say_json
from pipeline.documents.json_reader import parse_json
from pipeline.errors import InvalidInput, counted
from pipeline.files import LFS_POINTER, is_lfs_pointer
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.provider import assert_not_stopped
from pipeline.operations.state_transfer import export_state, import_state, read_snapshot

if TYPE_CHECKING:
    from pipeline.json_values import Json

# In characters. An export has everything that results have, and also all requests and events.
_LARGEST = 8 << 30
_STDIN = "standard input"


@click.group("state")
@verbosity_options
def command() -> None:
    """The state as JSON: `export` prints it, `import` joins what it reads."""


@command.command("export", short_help="Print the state of MANIFEST as JSON.")
@manifest_argument
@campaign_options
def export(manifest: Path | None, **flags: object) -> None:
    """Print the state of MANIFEST as JSON: every purchase, which job it serves, every event."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=False) as state:
        say_json(dict(export_state(state)))


@command.command("import", short_help="Join an exported state to that of MANIFEST.")
@manifest_argument
@campaign_options
def import_(manifest: Path | None, **flags: object) -> None:
    """Join an exported state, read from standard input, to that of MANIFEST. Nothing is dropped."""
    document = _read_stdin()
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    imported = read_snapshot(workspace, document, _STDIN)
    with ended_by_signals() as stop, open_campaign(workspace, writable=True) as state:
        before = len(state.records.purchases)
        assert_not_stopped(stop)
        after = len(import_state(state, imported).records.purchases)
        if not verbosity().quiet:
            say(f"{counted(after - before, 'purchase was', 'purchases were')} new, {after:,} in all.")


def _read_stdin() -> Json:
    try:
        text = sys.stdin.read(_LARGEST + 1)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InvalidInput(f"{_STDIN}: not UTF-8 (byte 0x{byte:02X})") from None
    if is_lfs_pointer(text[:100].encode(errors="replace")):
        raise InvalidInput(f"{_STDIN}: {LFS_POINTER}")
    if len(text) > _LARGEST:
        raise InvalidInput(f"{_STDIN}: more than {_LARGEST:,} characters")
    return parse_json(text.removeprefix("\ufeff"), _STDIN)

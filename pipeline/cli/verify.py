"""`pipeline verify`: do manifest, state, results and files agree?"""

from pathlib import Path

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_argument, verbosity
from pipeline.cli.terminal import say, untrusted_block
from pipeline.errors import ExitCode, printable
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.verify import file_differences, record_differences

_LONGEST = 2000


@click.command("verify")
@manifest_argument
@flag("--files", is_flag=True, help="Also hash every file on this machine.")
@campaign_options
def command(manifest: Path, files: bool, **flags: object) -> int:
    """Check that MANIFEST, its state and its results agree; ends with 1 and every difference if not."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    with open_campaign(workspace, writable=False) as state:
        found = [*record_differences(state), *(file_differences(state) if files else ())]
    with untrusted_block():
        for line in found:
            say(printable(line, _LONGEST))
    if not verbosity().quiet:
        say(f"{len(found):,} difference(s)." if found else "Manifest, state and results agree.")
    return ExitCode.FAILED if found else ExitCode.OK

"""`pipeline collect`: fetches what is already paid for, and buys nothing."""

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.collect_records import bare_of, carry_out
from pipeline.cli.context import open_workspace
from pipeline.cli.options import INPUT, CampaignFlags, campaign_options, flag, selection_options, verbosity
from pipeline.cli.run_output import Running
from pipeline.cli.selection import asked
from pipeline.cli.signals import stopping
from pipeline.cli.terminal import paint_for, problem_lines, say
from pipeline.engine.reporter import RunSettings
from pipeline.errors import InvalidInput
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.run import RunOptions
from pipeline.operations.workspace import shown_path

_MOST_TOLD = 5


@click.command("collect")
@click.argument("source", type=INPUT, metavar="MANIFEST|STATE|RESULTS")
@flag(
    "--request-timeout", type=click.FloatRange(0.1, 3600), default=60.0, help="Seconds that a call may take."
)
@flag(
    "--poll-interval", type=click.FloatRange(0.1, 3600), default=30.0, help="Longest wait between two polls."
)
@selection_options
@campaign_options
def command(source: Path, request_timeout: float, poll_interval: float, **selection: Any) -> int:
    """Fetch what is paid for: workflows that are not finished, files that are not on this machine.

    Needs the key, and the state or the results only: it works when the images are gone, when a job has left
    the manifest, and for a manifest that no longer reads.
    """
    given = CampaignFlags.of(selection)
    settings = RunSettings(max_poll_interval=poll_interval)
    records = bare_of(source, given)
    if records is None:
        try:
            workspace = open_workspace(source, given)
        except InvalidInput as error:
            records = bare_of(source, given, beside=True)
            if records is None:
                raise
            for line in problem_lines(
                error.problems[:_MOST_TOLD], paint_for(sys.stderr, no_color=verbosity().no_color)
            ):
                say(line, err=True)
            say(
                f"{source} does not read, so what is collected is what {shown_path(records.state)} knows.",
                err=True,
            )
        else:
            with stopping() as stop, open_campaign(workspace, writable=True) as state:
                orders = RunOptions(settings, request_timeout, asked(state, selection))
                return Running(state, orders, stop).collect().code
    with stopping() as stop:
        return carry_out(records, settings, stop, request_timeout)

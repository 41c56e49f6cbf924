"""`pipeline collect`: fetches what is already paid for, and buys nothing."""

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.bare import bare_of, carry_out
from pipeline.cli.options import INPUT, CampaignFlags, campaign_options, flag, manner, selection_options
from pipeline.cli.running import Running
from pipeline.cli.scene import scene
from pipeline.cli.selecting import asked
from pipeline.cli.stopping import stopping
from pipeline.cli.terminal import paint_for, problem_lines, say
from pipeline.engine.report import RunSettings
from pipeline.errors import InvalidInput
from pipeline.operations.known import known
from pipeline.operations.operation import Orders
from pipeline.operations.scene import shown_path

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
    settings = RunSettings(poll_ceiling=poll_interval)
    records = bare_of(source, given)
    if records is None:
        try:
            place = scene(source, given)
        except InvalidInput as error:
            records = bare_of(source, given, beside=True)
            if records is None:
                raise
            for line in problem_lines(
                error.problems[:_MOST_TOLD], paint_for(sys.stderr, no_color=manner().no_color)
            ):
                say(line, err=True)
            say(
                f"{source} does not read, so what is collected is what {shown_path(records.state)} knows.",
                err=True,
            )
        else:
            with stopping() as stop, known(place, writable=True) as facts:
                orders = Orders(settings, request_timeout, asked(facts, selection))
                return Running(facts, orders, stop).collect().code
    with stopping() as stop:
        return carry_out(records, settings, stop, request_timeout)

"""`pipeline run`: does what the plan says. Run again, it goes on where it stopped."""

from pathlib import Path

import click

from pipeline.cli.acting import known, scene
from pipeline.cli.options import CampaignFlags, campaign_options, flag, manifest_argument
from pipeline.cli.running import Running
from pipeline.cli.stopping import stopping
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.report import RunSettings
from pipeline.errors import InvalidInput
from pipeline.state.store import Caps


@click.command("run")
@manifest_argument
@flag("--yes", is_flag=True, help="Do not ask before buying.")
@flag("--concurrency", type=click.IntRange(1, 64), help="Calls in the air at once.")
@flag("--in-flight", type=click.IntRange(1, 100_000), help="Workflows bought and not ended at once.")
@flag(
    "--request-timeout", type=click.FloatRange(0.1, 3600), default=60.0, help="Seconds that a call may take."
)
@flag(
    "--poll-interval", type=click.FloatRange(0.1, 3600), default=30.0, help="Longest wait between two polls."
)
@flag("--checkpoint", metavar="COMMAND", help="Publishes the results manifest (a git push) before each wave.")
@flag("--require-results", is_flag=True, help="End with 3 if there is neither state nor results.")
@campaign_options
def command(
    manifest: Path,
    yes: bool,
    checkpoint: str | None,
    require_results: bool,
    concurrency: int | None,
    in_flight: int | None,
    request_timeout: float,
    poll_interval: float,
    **flags: object,
) -> int:
    """Buy what MANIFEST asks for and nothing serves yet, and fetch it. Run again to go on where it stopped.

    Nothing is bought twice: not after a kill, not on another machine that has the results manifest.
    """
    place = scene(manifest, CampaignFlags.of(flags))
    limits = place.campaign.limits
    settings = RunSettings(
        concurrency=concurrency or limits.concurrency,
        in_flight=in_flight or limits.in_flight,
        poll_ceiling=poll_interval,
        caps=Caps(limits.max_creates, limits.max_credits, limits.budget),
        report_errors=place.campaign.provider.report_errors,
    )
    if require_results and not (place.state.exists() or place.results.exists()):
        raise InvalidInput(
            f"{place.results_name}: missing, and so is the state: buying anew what may have been bought before "
            "is what --require-results forbids"
        )
    published = Checkpoint(checkpoint) if checkpoint else None
    with stopping() as stop, known(place, writable=True) as facts:
        return Running(facts, settings, stop, request_timeout, published).carry_out(
            ask=not (yes or place.emulated)
        )

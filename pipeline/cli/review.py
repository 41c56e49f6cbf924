"""`pipeline approve`, `reject` and `redo`: what people say of takes, written where git keeps it."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    manifest_argument,
    together,
    verbosity,
)
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say
from pipeline.errors import printable
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.review import decide
from pipeline.results.decisions import Verdict

_CONSEQUENCES = {
    Verdict.APPROVED: "stays, whatever is edited later",
    Verdict.REJECTED: "rejected; nothing is bought for that",
    Verdict.REDO: "is made again by the next run",
}

review_options = together(
    manifest_argument,
    click.argument("names", nargs=-1, required=True, metavar="KEY|PURCHASE..."),
    flag("--note", metavar="TEXT", help="Why."),
    flag("--rating", type=click.IntRange(1, 5), help="Stars."),
    campaign_options,
)


@click.command("approve")
@review_options
def approve(manifest: Path, **given: Any) -> None:
    """Approve what serves a job: it keeps serving it, whatever is edited later."""
    _decide(Verdict.APPROVED, manifest, given)


@click.command("reject")
@review_options
def reject(manifest: Path, **given: Any) -> None:
    """Reject a take: told to people, and withdraws an approval. Buys nothing."""
    _decide(Verdict.REJECTED, manifest, given)


@click.command("redo")
@review_options
def redo(manifest: Path, **given: Any) -> None:
    """Have a take made again: the next plan shows it as a replacement, with its price."""
    _decide(Verdict.REDO, manifest, given)


def _decide(verdict: Verdict, manifest: Path, given: dict[str, Any]) -> None:
    workspace = open_workspace(manifest, CampaignFlags.of(given))
    with ended_by_signals(), open_campaign(workspace, writable=False) as state:
        made = decide(state, verdict, given["names"], note=given["note"], rating=given["rating"])
    if not verbosity().quiet:
        for decision in made:
            say(f"{printable(decision.key)} ({decision.purchase}): {_CONSEQUENCES[verdict]}")

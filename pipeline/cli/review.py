"""`pipeline approve`, `reject`, `redo` and `undecide`: decisions on takes, in a file to be committed to git."""

from typing import Any

import click

from pipeline.cli.context import open_workspace, split_words
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    manifest_and_names,
    together,
    verbosity,
)
from pipeline.cli.parameters import TEXT
from pipeline.cli.review_text import decided_lines, undecided_lines
from pipeline.cli.signals import ended_by_signals
from pipeline.cli.terminal import say
from pipeline.errors import printable
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.review import Opinion, decide, reviewer, withdraw_unrecorded
from pipeline.operations.review_outlook import outlook
from pipeline.operations.selection import purchases_named
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Verdict

_NAMES = "KEY|PURCHASE|FILE|EXPR..."

review_options = together(
    manifest_and_names(_NAMES),
    flag("--note", type=TEXT, metavar="TEXT", help="The reason; with --at, a note on that moment."),
    flag(
        "--at", "moment", type=float, metavar="SECONDS", help="The moment in the video that --note is about."
    ),
    flag("--rating", type=click.IntRange(1, 5), metavar="N", help="Stars."),
    flag("--as", "by", type=TEXT, metavar="NAME", help="Who decides (default: git's user.name)."),
    campaign_options,
)


@click.command("approve")
@review_options
def approve(words: tuple[str, ...], **given: Any) -> None:
    """Approve a take: it keeps serving its job, whatever is edited later."""
    _decide(Verdict.APPROVED, words, given)


@click.command("reject")
@review_options
def reject(words: tuple[str, ...], **given: Any) -> None:
    """Reject a take, for people to see; this withdraws an approval. Buys nothing."""
    _decide(Verdict.REJECTED, words, given)


@click.command("redo")
@review_options
def redo(words: tuple[str, ...], **given: Any) -> None:
    """Send a take back: the next plan shows a replacement, with its price."""
    _decide(Verdict.REDO, words, given)


@click.command("undecide")
@review_options
def undecide(words: tuple[str, ...], **given: Any) -> None:
    """Take back what was decided on a take, as if nobody had: stars and notes stay."""
    _decide(None, words, given)


def _decide(verdict: Verdict | None, words: tuple[str, ...], given: dict[str, Any]) -> None:
    manifest, names = split_words(words, _NAMES)
    workspace = open_workspace(manifest, CampaignFlags.of(given))
    opinion = Opinion(
        verdict=verdict,
        rating=given["rating"],
        note=given["note"],
        moment=given["moment"],
        by=given["by"] or reviewer(workspace),
        withdraws=verdict is None,
    )
    with ended_by_signals(), open_campaign(workspace, writable=False) as state:
        unrecorded = [
            each for each in map(PurchaseId, names) if opinion.withdraws and each in state.unrecorded
        ]
        named = {name: purchases_named(state, name) for name in names if name not in unrecorded}
        sent_back = {each.purchase for each in state.decided.values() if each.decision is Verdict.REDO}
        made = [*decide(state, opinion, named), *withdraw_unrecorded(state, opinion, unrecorded)]
        if verbosity().quiet:
            return
        for name in (each for each, found in named.items() if not found):
            say(f"'{printable(name)}': nothing is that now, so nothing is decided")
        if opinion.withdraws:
            for line in undecided_lines(named, made):
                say(line)
        for line in decided_lines(made, sent_back, outlook(state), workspace.target):
            say(line)

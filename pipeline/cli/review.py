"""`pipeline approve`, `reject` and `redo`: what people say of takes, written where git keeps it."""

from pathlib import Path

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.naming import purchase_named
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    manifest_argument,
    together,
    verbosity,
)
from pipeline.cli.terminal import say
from pipeline.errors import Unfinished, UsageError, printable
from pipeline.files import alone_in
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.purchases import Purchase, Status
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Verdict

_WORDS = {
    Verdict.APPROVED: "stays, whatever is edited later",
    Verdict.REJECTED: "rejected; nothing is bought for that",
    Verdict.REDO: "is made again by the next run",
}

names_and_notes = together(
    manifest_argument,
    click.argument("names", nargs=-1, required=True, metavar="KEY|PURCHASE..."),
    flag("--note", metavar="TEXT", help="Why."),
    flag("--rating", type=click.IntRange(1, 5), help="Stars."),
    campaign_options,
)


@click.command("approve")
@names_and_notes
def approve(
    manifest: Path, names: tuple[str, ...], note: str | None, rating: int | None, **flags: object
) -> None:
    """Approve what serves a job: it keeps serving it, whatever is edited later."""
    _decide(Verdict.APPROVED, manifest, names, note, rating, CampaignFlags.of(flags))


@click.command("reject")
@names_and_notes
def reject(
    manifest: Path, names: tuple[str, ...], note: str | None, rating: int | None, **flags: object
) -> None:
    """Reject a take: told to people, and withdraws an approval. Buys nothing."""
    _decide(Verdict.REJECTED, manifest, names, note, rating, CampaignFlags.of(flags))


@click.command("redo")
@names_and_notes
def redo(
    manifest: Path, names: tuple[str, ...], note: str | None, rating: int | None, **flags: object
) -> None:
    """Have a take made again: the next plan shows it as a replacement, with its price."""
    _decide(Verdict.REDO, manifest, names, note, rating, CampaignFlags.of(flags))


def _decide(
    verdict: Verdict,
    manifest: Path,
    names: tuple[str, ...],
    note: str | None,
    rating: int | None,
    flags: CampaignFlags,
) -> None:
    workspace = open_workspace(manifest, flags)
    with open_campaign(workspace, writable=False) as state:
        made = [_decision(verdict, name, note, rating, state) for name in names]
    try:
        # Nothing that somebody else says at the same moment may be written over.
        with alone_in(workspace.decisions.parent):
            written = decisions.read(workspace.decisions, workspace.decisions_name)
            for decision in made:
                written = decisions.with_decision(written, decision)
            decisions.write(workspace.decisions, written)
    except OSError as error:
        raise Unfinished(f"{workspace.decisions_name}: cannot be written: {error.strerror}") from error
    if not verbosity().quiet:
        for decision in made:
            say(f"{printable(decision.key)} ({decision.purchase}): {_WORDS[verdict]}")


def _decision(
    verdict: Verdict, name: str, note: str | None, rating: int | None, state: CampaignState
) -> Decision:
    purchase = purchase_named(name, state.assignment, state.records)
    if verdict is Verdict.APPROVED:
        _assert_can_serve(purchase)
    return Decision(purchase.id, _key(name, purchase, state), verdict, rating, note)


def _assert_can_serve(purchase: Purchase) -> None:
    if purchase.status not in {Status.DONE, Status.SUCCEEDED} or purchase.deleted:
        state = "deleted" if purchase.deleted else purchase.status.value
        raise UsageError(f"{purchase.id} is {state}: only what has succeeded can be approved")


def _key(name: str, purchase: Purchase, state: CampaignState) -> JobKey:
    """The key that was named, else the first job that the purchase serves, else the one it was bought for."""
    if name in state.assignment.matcher.jobs:
        return JobKey(name)
    serves = (key for key, each in state.assignment.by_key.items() if each.id == purchase.id)
    return next(serves, purchase.key)

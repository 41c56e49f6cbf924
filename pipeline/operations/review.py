"""What people say of takes, written where git keeps it."""

from collections.abc import Sequence

from pipeline.errors import Unfinished, UsageError, printable
from pipeline.files import alone_in
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.selection import purchases_named
from pipeline.operations.workspace import Workspace
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Verdict


def decide(
    state: CampaignState,
    verdict: Verdict,
    names: Sequence[str],
    *,
    note: str | None = None,
    rating: int | None = None,
) -> list[Decision]:
    """Write a decision on each purchase that `names` mean, the last on that purchase from now on.

    A name is a key, a purchase's id, a file of the output folder, or a selection. Of a selection only what can
    serve is approved.

    Raises:
        UsageError: no such purchase, it cannot be approved, or nothing is left of a selection.
        InvalidInput: the decisions file is wrong.
        Unfinished: it cannot be written.
    """
    made: dict[PurchaseId, Decision] = {}
    for name in names:
        for key, purchase in _meant(state, verdict, name):
            made[purchase.id] = Decision(
                purchase=purchase.id,
                key=key or _served_key(state, purchase),
                decision=verdict,
                rating=rating,
                note=note,
            )
    _append(state.workspace, list(made.values()))
    return list(made.values())


def _append(workspace: Workspace, made: Sequence[Decision]) -> None:
    try:
        # Nothing that somebody else says at the same moment may be written over.
        with alone_in(workspace.decisions.parent):
            written = decisions.read(workspace.decisions, workspace.decisions_name)
            for decision in made:
                written = decisions.with_decision(written, decision)
            decisions.write(workspace.decisions, written)
    except OSError as error:
        raise Unfinished(f"{workspace.decisions_name}: cannot be written: {error.strerror}") from error


def _meant(state: CampaignState, verdict: Verdict, name: str) -> list[tuple[JobKey | None, Purchase]]:
    found = purchases_named(state, name)
    if verdict is Verdict.APPROVED:
        if len(found) == 1:
            _assert_can_serve(found[0][1])
        found = [each for each in found if _can_serve(each[1])]
    if not found:
        raise UsageError(f"'{printable(name)}': nothing has been bought for it yet that could be decided on")
    return found


def _can_serve(purchase: Purchase) -> bool:
    return purchase.status in {Status.DONE, Status.SUCCEEDED} and not purchase.deleted


def _assert_can_serve(purchase: Purchase) -> None:
    if not _can_serve(purchase):
        status = "deleted" if purchase.deleted else purchase.status.value
        raise UsageError(f"{purchase.id} is {status}: only what has succeeded can be approved")


def _served_key(state: CampaignState, purchase: Purchase) -> JobKey:
    """The first job that the purchase serves, else the one it was bought for."""
    serves = (key for key, each in state.assignment.by_key.items() if each.id == purchase.id)
    return next(serves, purchase.key)

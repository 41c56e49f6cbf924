"""What people say of takes, written where git keeps it."""

from collections.abc import Sequence

from pipeline.errors import Unfinished, UsageError
from pipeline.files import alone_in
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.selection import purchase_named
from pipeline.operations.workspace import Workspace
from pipeline.purchases import Purchase, Status
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

    Raises:
        UsageError: no such purchase, or it cannot be approved.
        InvalidInput: the decisions file is wrong.
        Unfinished: it cannot be written.
    """
    made = [_decision(state, verdict, name, note, rating) for name in names]
    _append(state.workspace, made)
    return made


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


def _decision(
    state: CampaignState, verdict: Verdict, name: str, note: str | None, rating: int | None
) -> Decision:
    purchase = purchase_named(state, name)
    if verdict is Verdict.APPROVED:
        _assert_can_serve(purchase)
    return Decision(
        purchase=purchase.id,
        key=_key(state, name, purchase),
        decision=verdict,
        rating=rating,
        note=note,
    )


def _assert_can_serve(purchase: Purchase) -> None:
    if purchase.status not in {Status.DONE, Status.SUCCEEDED} or purchase.deleted:
        status = "deleted" if purchase.deleted else purchase.status.value
        raise UsageError(f"{purchase.id} is {status}: only what has succeeded can be approved")


def _key(state: CampaignState, name: str, purchase: Purchase) -> JobKey:
    """The key that was named, else the first job that the purchase serves, else the one it was bought for."""
    if name in state.assignment.matcher.jobs:
        return JobKey(name)
    serves = (key for key, each in state.assignment.by_key.items() if each.id == purchase.id)
    return next(serves, purchase.key)

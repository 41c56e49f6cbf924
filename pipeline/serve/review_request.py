"""Reviews that a browser sends: nothing in them is trusted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError, printable
from pipeline.operations.review import (
    Opinion,
    assert_can_be_sent_back,
    assert_can_serve,
    assert_has_moment,
    served_key,
    with_failures,
)
from pipeline.purchases import PurchaseId
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Verdict

if TYPE_CHECKING:
    from pipeline.serve.campaign_watch import CampaignWatch

# The value that withdraws a verdict.
_UNDECIDED = "undecided"
_KINDS: dict[str, tuple[type, ...]] = {
    "campaign": (int,),
    "purchase": (str,),
    "decision": (str,),
    "rating": (int,),
    "note": (str,),
    "at": (int, float),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review as sent: on a purchase of one campaign, which is given by its number on the page."""

    campaign: int
    purchase: PurchaseId
    verdict: Verdict | None
    rating: int | None
    note: str | None
    moment: float | None
    withdraws: bool


def read_review(body: bytes) -> Review:
    """The review in a request's body.

    Raises:
        UsageError: it is not a review.
    """
    try:
        sent: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("a review is a JSON object") from None
    if not isinstance(sent, dict) or not sent.keys() <= _KINDS.keys():
        raise UsageError(f"a review is a JSON object of {', '.join(_KINDS)}")
    for name, value in sent.items():
        if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise UsageError(f"{name} has the wrong type")
    withdraws = sent.get("decision") == _UNDECIDED
    if not withdraws and sent.get("decision") not in {None, *Verdict}:
        raise UsageError(f"a decision is one of {', '.join((*Verdict, _UNDECIDED))}")
    if not sent.keys() & {"decision", "rating", "note"}:
        raise UsageError("a review holds a decision, a rating or a note")
    return Review(
        campaign=sent.get("campaign", 0),
        purchase=PurchaseId(sent.get("purchase", "")),
        verdict=Verdict(sent["decision"]) if "decision" in sent and not withdraws else None,
        rating=sent.get("rating"),
        note=sent.get("note"),
        moment=sent.get("at"),
        withdraws=withdraws,
    )


def opinion_of(
    review: Review, campaigns: Sequence[CampaignWatch], by: str | None
) -> tuple[CampaignWatch, PurchaseId, list[Decision]]:
    """The campaign and the purchase of a review, and the decisions to record for it.

    There are none if it withdraws a verdict that nobody gave.

    Raises:
        UsageError: there is no such purchase, or it cannot be reviewed in this way.
        InvalidInput: the decisions file is invalid.
    """
    if not 0 <= review.campaign < len(campaigns):
        raise UsageError("there is no such campaign on this page")
    watch = campaigns[review.campaign]
    purchase = watch.purchases.get(review.purchase)
    if purchase is None:
        raise UsageError(f"there is no purchase '{printable(review.purchase, 40)}'")
    if review.verdict is Verdict.APPROVED:
        assert_can_serve(purchase)
    if review.verdict is Verdict.REDO:
        assert_can_be_sent_back(watch.workspace, [(served_key(watch.assignment, purchase), purchase)])
    if (
        review.withdraws
        and review.rating is None
        and review.note is None
        and not _is_decided(watch, purchase.id)
    ):
        return watch, purchase.id, []
    opinion = Opinion(
        verdict=review.verdict,
        rating=review.rating,
        note=review.note,
        moment=review.moment,
        by=by,
        withdraws=review.withdraws,
    )
    if opinion.moment is not None:
        assert_has_moment(purchase, opinion.moment, watch.rows.media)
    said = opinion.of(purchase.id, served_key(watch.assignment, purchase))
    return watch, purchase.id, with_failures(watch.assignment, watch.decided, [said])


def _is_decided(watch: CampaignWatch, purchase_id: PurchaseId) -> bool:
    """Whether there is a verdict on a purchase in the file as it is now: the page may not know it yet."""
    written = decisions.read(watch.workspace.decisions, watch.workspace.decisions_name)
    said = decisions.by_purchase(written).get(purchase_id)
    return said is not None and said.decision is not None

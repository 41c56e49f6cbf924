"""Joins sets of purchases, such as those of two machines. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import zip_longest

from pipeline import record_limits
from pipeline.json_values import canonical_json
from pipeline.purchases import (
    UNDECIDED,
    Decisions,
    Output,
    Purchase,
    PurchaseId,
    Records,
    Served,
    Status,
    Step,
    as_json,
    output_as_json,
)

# The order of statuses: a later one knows more.
_ADVANCE = {status: rank for rank, status in enumerate(Status)}


def join(one: Records, other: Records, decisions: Decisions = UNDECIDED) -> Records:
    """Join two sets: no purchase is dropped, and of two copies the one that knows more is kept.

    Associative, commutative and idempotent, so neither the order of machines nor that of merges matters.
    """
    purchases = dict(one.purchases)
    for purchase_id, purchase in other.purchases.items():
        mine = purchases.get(purchase_id)
        purchases[purchase_id] = purchase if mine is None else _join_purchase(mine, purchase)
    # An id that is not in its own set has no known age, so the result would depend on the order of merges.
    served = {key: each for key, each in one.served.items() if each.purchase in one.purchases}
    for key, each in other.served.items():
        if each.purchase in other.purchases:
            candidates = (served.get(key, each), each)
            served[key] = max(candidates, key=lambda one: _last_to_serve(one, purchases, decisions))
    return Records(purchases, served)


def join_all(parts: Iterable[Records], decisions: Decisions = UNDECIDED) -> Records:
    """Join several sets at once; a purchase keeps its credits even if the copy that knows more has none.

    `join` cannot do so: of copies with different credits, its result would depend on the order of joins.
    """
    parts = list(parts)
    joined = reduce(lambda one, other: join(one, other, decisions), parts, Records())
    purchases = dict(joined.purchases)
    for purchase in joined.purchases.values():
        if purchase.credits is None:
            copies = (part.purchases.get(purchase.id) for part in parts)
            priced = [copy for copy in copies if copy is not None and copy.credits is not None]
            if priced:
                known = max(priced, key=_knowledge).credits
                purchases[purchase.id] = replace(purchase, credits=known)
    return replace(joined, purchases=purchases)


def _join_purchase(one: Purchase, other: Purchase) -> Purchase:
    if one == other:  # the usual case at the start of a command
        return one
    winner = max(one, other, key=_knowledge)
    if one.is_partly_fetched and other.is_partly_fetched and one.workflow_id == other.workflow_id:
        outputs, steps = _join_outputs(one.outputs, other.outputs), _join_steps(one.steps, other.steps)
        winner = replace(winner, outputs=outputs, steps=steps)
    return with_flags_of(winner, one, other)


def _join_outputs(one: tuple[Output, ...], other: tuple[Output, ...]) -> tuple[Output, ...]:
    """Of each place, the file that was fetched on one of two machines."""
    pairs = zip_longest(one, other)
    return tuple(max((each for each in pair if each is not None), key=_knowledge_of_output) for pair in pairs)


def _knowledge_of_output(output: Output) -> tuple[bool, str]:
    return (output.sha256 is not None, canonical_json(output_as_json(output)))


def _join_steps(one: tuple[Step, ...], other: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(_join_step(*pair) for pair in zip_longest(one, other))


def _join_step(one: Step | None, other: Step | None) -> Step:
    winner = max((each for each in (one, other) if each is not None), key=_knowledge_of_step)
    if one is None or other is None or _knowledge_of_step(one) != _knowledge_of_step(other):
        return winner
    return replace(winner, outputs=_join_outputs(one.outputs, other.outputs))


def _knowledge_of_step(step: Step) -> tuple[bool, str]:
    return (any(output.sha256 is not None for output in step.outputs), step.flow)


def with_flags_of(purchase: Purchase, *copies: Purchase) -> Purchase:
    """`purchase` with every flag that one of the copies has, and all that one of them knows to be replaced."""
    return replace(
        purchase,
        replaces=_joined_ids([each.replaces for each in copies]),
        deleted=any(each.deleted for each in copies),
        removed=any(each.removed for each in copies),
        again=any(each.again for each in copies),
    )


def _joined_ids(lists: Sequence[tuple[PurchaseId, ...]]) -> tuple[PurchaseId, ...]:
    if len({*lists}) == 1:
        return lists[0]
    # Which of too many are kept must not depend on the order of joins.
    return tuple(sorted({each for ids in lists for each in ids})[: record_limits.MAX_REPLACED])


def _knowledge(purchase: Purchase) -> tuple[bool, int, bool, str, bool, bool, str, str]:
    # What is joined separately must not decide which copy wins: the flags, and the files that two machines fetched of
    # the same workflow.
    rest, is_partly_fetched = with_flags_of(purchase), purchase.is_partly_fetched
    if is_partly_fetched:
        rest = replace(rest, outputs=(), steps=())
    return (
        purchase.workflow_id is not None,
        _ADVANCE[purchase.status],
        is_partly_fetched,
        purchase.workflow_id or "" if is_partly_fetched else "",
        # Nothing may be made from it, although the other copy does not know that; `join_all` keeps known credits.
        purchase.lacks_files,
        # Nothing that a purchase goes through takes its credits back, so a copy without them is older or edited.
        purchase.credits is not None,
        purchase.updated_at or "",
        canonical_json(as_json(rest)),
    )


def _last_to_serve(
    served: Served, purchases: Mapping[PurchaseId, Purchase], decisions: Decisions
) -> tuple[int, bool, tuple[str, str]]:
    return (served.serial, served.purchase in decisions.approved, purchases[served.purchase].age)

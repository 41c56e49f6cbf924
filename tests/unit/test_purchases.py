from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purchase_strategies import IDS, decisions, ids, purchases, records
from support.protection import fails_without

from pipeline.jobs import JobKey
from pipeline.json_values import Json, canonical_json
from pipeline.purchases import (
    UNDECIDED,
    Decisions,
    Purchase,
    PurchaseId,
    Reason,
    Records,
    Status,
    as_json,
    join,
)
from pipeline.records import purchase_from_json


def bought(status: Status = Status.SUBMITTED, **fields: object) -> Purchase:
    made = Purchase(
        id=PurchaseId(IDS[0]),
        key=JobKey("a/b"),
        fingerprint="v1:0",
        status=status,
        bought_at="2026-01-01T00:00:00Z",
        template_id="t",
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # each test names fields of its own


@given(records, records, records, decisions)
def test_the_order_of_merges_does_not_matter(a: Records, b: Records, c: Records, said: Decisions) -> None:
    assert join(join(a, b, said), c, said) == join(a, join(b, c, said), said)


@given(records, records, decisions)
def test_the_order_of_machines_does_not_matter(a: Records, b: Records, said: Decisions) -> None:
    assert join(a, b, said) == join(b, a, said)


@given(records, records, decisions)
def test_what_was_joined_once_changes_nothing_when_joined_again(
    a: Records, b: Records, said: Decisions
) -> None:
    once = join(a, b, said)
    assert join(once, once, said) == once
    assert join(once, a, said) == once
    assert join(b, once, said) == once


@given(st.lists(records, min_size=3, max_size=3), decisions)
def test_any_order_of_three_machines_ends_in_the_same(machines: list[Records], said: Decisions) -> None:
    ends = {
        canonical_json(
            [
                [as_json(each) for each in sorted(ended.purchases.values(), key=lambda p: p.id)],
                {str(key): each for key, each in ended.served.items()},
            ]
        )
        for order in permutations(machines)
        for ended in [join(join(order[0], order[1], said), order[2], said)]
    }
    assert len(ends) == 1


@fails_without(
    "pipeline.purchases:join", "for purchase_id, purchase", swap=("()", "() if not purchases else ()")
)
@given(records, records, decisions)
def test_no_purchase_is_dropped(a: Records, b: Records, said: Decisions) -> None:
    joined = join(a, b, said)
    assert joined.purchases.keys() == a.purchases.keys() | b.purchases.keys()
    assert joined.served.keys() == {
        key for side in (a, b) for key, mark in side.served.items() if mark in side.purchases
    }


@given(records, records)
def test_a_workflow_id_and_a_mark_are_never_forgotten(a: Records, b: Records) -> None:
    joined = join(a, b).purchases
    for side in (a, b):
        for mark, purchase in side.purchases.items():
            assert joined[mark].workflow_id is not None or purchase.workflow_id is None
            assert joined[mark].deleted >= purchase.deleted
            assert joined[mark].again >= purchase.again


@given(records, records)
def test_joining_makes_nothing_up(a: Records, b: Records) -> None:
    unmarked = [
        replace(each, deleted=False, again=False) for side in (a, b) for each in side.purchases.values()
    ]
    for purchase in join(a, b).purchases.values():
        assert replace(purchase, deleted=False, again=False) in unmarked


ORDER = [
    Status.SUBMITTING,
    Status.ATTENTION,
    Status.VOID,
    Status.SUBMITTED,
    Status.FAILED,
    Status.SUCCEEDED,
    Status.DONE,
]


@pytest.mark.parametrize(
    ("less", "more"), [(a, b) for a, b in product(ORDER, ORDER) if ORDER.index(a) < ORDER.index(b)]
)
def test_of_two_statuses_the_more_advanced_wins_from_either_side(less: Status, more: Status) -> None:
    early, late = bought(less, updated_at="2026-12-31"), bought(more, updated_at="2026-01-01")
    for one, other in ((early, late), (late, early)):
        assert join(_only(one), _only(other)).purchases[PurchaseId(IDS[0])].status is more


@fails_without(
    "pipeline.purchases:_knowledge",
    "return (purchase.workflow_id",
    swap=("(purchase.workflow_id is not None, _ADVANCE", "(_ADVANCE"),
)
@pytest.mark.parametrize("status", ORDER)
def test_a_copy_that_knows_the_workflow_wins_over_a_more_advanced_one(status: Status) -> None:
    knows, lacks = bought(status, workflow_id="w1"), bought(Status.DONE)
    assert join(_only(lacks), _only(knows)).purchases[PurchaseId(IDS[0])] == knows


def test_of_two_copies_with_one_status_the_later_update_wins() -> None:
    old, new = bought(updated_at="2026-01-01 10:00"), bought(updated_at="2026-01-01 11:00")
    assert join(_only(new), _only(old)).purchases[PurchaseId(IDS[0])] == new


def test_of_two_copies_that_know_as_much_every_machine_keeps_the_same() -> None:
    one, other = bought(error="one"), bought(error="other")
    assert join(_only(one), _only(other)) == join(_only(other), _only(one))


def test_an_approved_purchase_stays_what_served_the_key_last() -> None:
    older = bought()
    newer = bought(id=IDS[1], bought_at="2026-02-01T00:00:00Z")
    a = Records({older.id: older}, {JobKey("a/b"): older.id})
    b = Records({newer.id: newer}, {JobKey("a/b"): newer.id})
    assert join(a, b).served == {JobKey("a/b"): newer.id}
    assert join(a, b, Decisions(approved={older.id: JobKey("a/b")})).served == {JobKey("a/b"): older.id}


@given(purchases())
def test_a_purchase_reads_back_as_it_was_written(purchase: Purchase) -> None:
    assert purchase_from_json(as_json(purchase)) == purchase


@given(purchases())
def test_absent_values_are_left_out(purchase: Purchase) -> None:
    assert None not in as_json(purchase).values()


@pytest.mark.parametrize(
    "damage",
    [
        {"status": "paid"},
        {"reason": "weather"},
        {"outputs": [{"colour": "red"}]},
        {"surprise": 1},
        {"steps": [{}]},
    ],
)
def test_what_is_no_purchase_is_refused(damage: dict[str, Json]) -> None:
    with pytest.raises(ValueError):
        purchase_from_json(as_json(bought()) | damage)


@given(st.sampled_from(Status), st.none() | st.integers(0, 1000))
def test_only_what_bought_nothing_costs_nothing(status: Status, credits_known: int | None) -> None:
    purchase = bought(status, credits=credits_known)
    assert purchase.cost == (0 if status is Status.VOID else credits_known or 0)
    rejected = bought(Status.FAILED, reason=Reason.REJECTED, credits=credits_known)
    assert rejected.cost == 0


@given(ids, ids)
def test_age_orders_all_purchases(one: str, other: str) -> None:
    a, b = bought(id=one), bought(id=other)
    assert (a.age < b.age) or (b.age < a.age) or one == other


def _only(purchase: Purchase) -> Records:
    return Records({purchase.id: purchase})


def test_joining_nothing_changes_nothing() -> None:
    held = _only(bought())
    assert join(held, Records(), UNDECIDED) == held == join(Records(), held, UNDECIDED)

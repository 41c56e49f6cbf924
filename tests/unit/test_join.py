from dataclasses import replace
from functools import reduce
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purchase_strategies import IDS, bought, decisions, records
from support.protection import fails_without

from pipeline.jobs import JobKey
from pipeline.join import join, join_all
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
    all_served_next,
    as_json,
)
from pipeline.state.recovery import absorb


@given(records, records, records, decisions)
def test_merge_order_does_not_matter(a: Records, b: Records, c: Records, said: Decisions) -> None:
    assert join(join(a, b, said), c, said) == join(a, join(b, c, said), said)


@given(records, records, decisions)
def test_machine_order_does_not_matter(a: Records, b: Records, said: Decisions) -> None:
    assert join(a, b, said) == join(b, a, said)


@given(records, records, decisions)
def test_merging_again_changes_nothing(a: Records, b: Records, said: Decisions) -> None:
    once = join(a, b, said)
    assert join(once, once, said) == once
    assert join(once, a, said) == once
    assert join(b, once, said) == once


@given(st.lists(records, min_size=3, max_size=3), decisions)
def test_three_machines_agree_in_any_merge_order(machines: list[Records], said: Decisions) -> None:
    ends = {
        canonical_json(
            [
                [as_json(each) for each in sorted(ended.purchases.values(), key=lambda p: p.id)],
                {str(key): [each.purchase, each.serial] for key, each in ended.served.items()},
            ]
        )
        for order in permutations(machines)
        for ended in [join(join(order[0], order[1], said), order[2], said)]
    }
    assert len(ends) == 1


@fails_without("pipeline.join:join", "for purchase_id, purchase", swap=("()", "() if not purchases else ()"))
@given(records, records, decisions)
def test_no_purchase_is_dropped(a: Records, b: Records, said: Decisions) -> None:
    joined = join(a, b, said)
    assert joined.purchases.keys() == a.purchases.keys() | b.purchases.keys()
    assert joined.served.keys() == {
        key for side in (a, b) for key, served in side.served.items() if served.purchase in side.purchases
    }


@given(records, records)
def test_workflow_id_and_again_flag_are_never_forgotten(a: Records, b: Records) -> None:
    joined = join(a, b).purchases
    for side in (a, b):
        for purchase_id, purchase in side.purchases.items():
            assert joined[purchase_id].workflow_id is not None or purchase.workflow_id is None
            assert joined[purchase_id].deleted >= purchase.deleted
            assert joined[purchase_id].removed >= purchase.removed
            assert joined[purchase_id].again >= purchase.again


@given(records, records)
def test_merging_invents_nothing(a: Records, b: Records) -> None:
    copies = [each for side in (a, b) for each in side.purchases.values()]
    for purchase in join(a, b).purchases.values():
        mine = [each for each in copies if each.id == purchase.id]
        assert _known(purchase) in map(_known, mine)
        if not purchase.is_partly_fetched:
            assert (purchase.outputs, purchase.steps) in [(each.outputs, each.steps) for each in mine]
        assert _slots(purchase) <= set[object]().union(*map(_slots, mine))


@given(records, records)
def test_file_that_one_machine_fetched_is_not_forgotten(a: Records, b: Records) -> None:
    for purchase in join(a, b).purchases.values():
        if purchase.is_partly_fetched:
            for side in (a, b):
                mine = side.purchases.get(purchase.id)
                if mine is not None and mine.is_partly_fetched and mine.workflow_id == purchase.workflow_id:
                    for index, output in enumerate(mine.outputs):
                        assert output.sha256 is None or purchase.outputs[index].sha256 is not None


def _known(purchase: Purchase) -> Purchase:
    """Without what is joined on its own."""
    return replace(purchase, deleted=False, removed=False, again=False, outputs=(), steps=())


def _slots(purchase: Purchase) -> set[object]:
    steps = enumerate(purchase.steps)
    return {
        *enumerate(purchase.outputs),
        *((number, step.flow, *each) for number, step in steps for each in enumerate(step.outputs)),
    }


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
def test_more_advanced_status_wins_from_either_side(less: Status, more: Status) -> None:
    early, late = bought(less, updated_at="2026-12-31"), bought(more, updated_at="2026-01-01")
    for one, other in ((early, late), (late, early)):
        assert join(_only(one), _only(other)).purchases[PurchaseId(IDS[0])].status is more


@fails_without(
    "pipeline.join:_knowledge",
    "return (purchase.workflow_id",
    swap=("(purchase.workflow_id is not None, _ADVANCE", "(_ADVANCE"),
)
@pytest.mark.parametrize("status", ORDER)
def test_copy_with_the_workflow_id_wins_over_a_more_advanced_one(status: Status) -> None:
    knows, lacks = bought(status, workflow_id="w1"), bought(Status.DONE)
    assert join(_only(lacks), _only(knows)).purchases[PurchaseId(IDS[0])] == knows


def test_copy_with_credits_wins_over_a_later_update_without() -> None:
    paid, edited = bought(updated_at="2026-01-01", credits=5), bought(updated_at="2027-01-01")
    for one, other in ((paid, edited), (edited, paid)):
        assert join(_only(one), _only(other)).purchases[PurchaseId(IDS[0])] == paid


def test_copy_with_fetched_files_wins_over_a_later_update_without() -> None:
    film = Output("video/mp4", sha256="a" * 64, bytes=1)
    partly = bought(Status.SUCCEEDED, updated_at="2026-01-01", outputs=(film, Output("image/png")))
    edited = bought(Status.SUCCEEDED, updated_at="2027-01-01", outputs=(Output("video/mp4"),))
    for one, other in ((partly, edited), (edited, partly)):
        assert join(_only(one), _only(other)).purchases[PurchaseId(IDS[0])] == partly


def test_copy_that_knows_of_a_failed_download_wins_over_a_later_update_without() -> None:
    film = Output("video/mp4", url="f")
    dead = bought(Status.SUCCEEDED, updated_at="2026-01-01", outputs=(film,), error="410")
    other = bought(Status.SUCCEEDED, updated_at="2027-01-01", outputs=(film,))
    for mine, theirs in ((dead, other), (other, dead)):
        assert join(_only(mine), _only(theirs)).purchases[dead.id] == dead
    fetched = replace(dead, outputs=(replace(film, sha256="a" * 64, bytes=1), film), error=None)
    assert join(_only(dead), _only(fetched)).purchases[dead.id] == fetched


def test_failed_download_stays_known_if_only_the_other_copy_has_credits() -> None:
    dead, paid = bought(Status.SUCCEEDED, error="410"), bought(Status.SUCCEEDED, credits=5)
    for mine, theirs in ((dead, paid), (paid, dead)):
        assert join_all(map(_only, (mine, theirs))) == _only(replace(dead, credits=5))


def test_files_that_two_machines_fetched_are_all_known() -> None:
    film, still = Output("video/mp4", url="f"), Output("image/png", url="s")
    fetched = [replace(each, sha256=digit * 64, bytes=1) for each, digit in ((film, "a"), (still, "b"))]
    crop = [Step("crop", (film,)), Step("crop", (fetched[0],))]
    a = bought(Status.SUCCEEDED, updated_at="2027", outputs=(fetched[0], still), steps=(crop[0],))
    b = bought(Status.SUCCEEDED, updated_at="2026", outputs=(film, fetched[1]), steps=(crop[1],))
    for one, other in ((a, b), (b, a)):
        assert join(_only(one), _only(other)) == _only(replace(a, outputs=tuple(fetched), steps=(crop[1],)))


def test_credits_known_here_stay_if_a_more_advanced_copy_has_none() -> None:
    paid = bought(credits=5)
    joined = absorb(_only(paid), _only(bought(Status.DONE, workflow_id="w1")))
    assert joined.purchases[paid.id] == bought(Status.DONE, workflow_id="w1", credits=5)


@given(st.permutations(range(3)))
def test_known_credits_stay_in_any_order_if_the_most_advanced_copy_has_none(order: list[int]) -> None:
    copies = [
        bought(Status.DONE, workflow_id="w1"),
        bought(Status.SUBMITTED, workflow_id="w1", credits=5),
        bought(credits=9),
    ]

    joined = join_all(_only(copies[number]) for number in order)

    assert joined.purchases[copies[0].id] == bought(Status.DONE, workflow_id="w1", credits=5)


@given(st.lists(records, max_size=4))
def test_joining_several_differs_from_joining_two_by_two_only_in_credits(parts: list[Records]) -> None:
    joined = join_all(parts)
    one_by_one = reduce(join, parts, Records())

    assert join_all(parts[::-1]) == joined == join_all([*parts, joined])
    assert joined.served == one_by_one.served
    for purchase_id, purchase in one_by_one.purchases.items():
        if purchase.credits is not None:
            assert joined.purchases[purchase_id] == purchase
        assert replace(joined.purchases[purchase_id], credits=purchase.credits) == purchase


@given(st.lists(records, max_size=4))
def test_price_that_one_machine_knows_is_not_forgotten(parts: list[Records]) -> None:
    joined = join_all(parts).purchases
    for part in parts:
        for purchase_id, purchase in part.purchases.items():
            assert joined[purchase_id].credits is not None or purchase.credits is None


def test_price_stays_known_if_only_the_copy_without_it_has_fetched_files() -> None:
    film, still = Output("video/mp4", url="f"), Output("image/png", url="s")
    paid = bought(Status.SUCCEEDED, workflow_id="w1", outputs=(film, still), credits=5)
    partly = replace(paid, outputs=(replace(film, sha256="a" * 64, bytes=1), still), credits=None)
    for copies in permutations((paid, partly)):
        assert join_all(map(_only, copies)).purchases[paid.id] == replace(partly, credits=5)


def test_later_update_wins_at_equal_status() -> None:
    old, new = bought(updated_at="2026-01-01 10:00"), bought(updated_at="2026-01-01 11:00")
    assert join(_only(new), _only(old)).purchases[PurchaseId(IDS[0])] == new


def test_equally_informed_copies_resolve_the_same_everywhere() -> None:
    one, other = bought(error="one"), bought(error="other")
    assert join(_only(one), _only(other)) == join(_only(other), _only(one))


def test_approved_purchase_stays_the_one_that_last_served_its_key() -> None:
    older = bought()
    newer = bought(id=IDS[1], bought_at="2026-02-01T00:00:00Z")
    a, b = _served_by(older), _served_by(newer)
    assert join(a, b).served == b.served
    assert join(a, b, Decisions(approved={older.id: JobKey("a/b")})).served == a.served


@fails_without("pipeline.join:_last_to_serve", "return (served.serial", swap=("served.serial", "1"))
def test_older_purchase_to_which_a_job_went_back_stays_the_one_that_last_served_it() -> None:
    older = bought()
    newer = bought(id=IDS[1], bought_at="2026-02-01T00:00:00Z")
    former = [_served_by(older), _served_by(newer, serial=2)]
    back = Records({older.id: older, newer.id: newer}, _served_by(older, serial=3).served)
    said = Decisions(approved={newer.id: JobKey("b/c")})
    for order in permutations([*former, back]):
        assert reduce(lambda one, other: join(one, other, said), order).served == back.served


@given(records, records, decisions)
def test_what_serves_next_is_the_last_after_any_join_with_an_earlier_record(
    a: Records, b: Records, said: Decisions
) -> None:
    before = join(a, b, said)
    for key, purchase_id in product(before.served, before.purchases):
        after = replace(before, served=all_served_next(before.served, {key: purchase_id}))
        for earlier in (a, b, before):
            assert join(earlier, after, said) == after


def _served_by(purchase: Purchase, serial: int = 1) -> Records:
    return Records({purchase.id: purchase}, {JobKey("a/b"): Served(purchase=purchase.id, serial=serial)})


def _only(purchase: Purchase) -> Records:
    return Records({purchase.id: purchase})


def test_merging_nothing_changes_nothing() -> None:
    held = _only(bought())
    assert join(held, Records(), UNDECIDED) == held == join(Records(), held, UNDECIDED)

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purchase_strategies import bought, ids, purchases

from pipeline.json_values import Json
from pipeline.purchases import (
    Purchase,
    Reason,
    Status,
    as_json,
)
from pipeline.records import purchase_from_json


@given(purchases())
def test_written_purchase_reads_back(purchase: Purchase) -> None:
    assert purchase_from_json(as_json(purchase)) == purchase


@given(purchases())
def test_absent_values_are_omitted(purchase: Purchase) -> None:
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
def test_invalid_purchase_is_rejected(damage: dict[str, Json]) -> None:
    with pytest.raises(ValueError):
        purchase_from_json(as_json(bought()) | damage)


@given(st.sampled_from(Status), st.none() | st.integers(0, 1000))
def test_only_void_and_rejected_purchases_cost_nothing(status: Status, credits_known: int | None) -> None:
    purchase = bought(status, credits=credits_known)
    assert purchase.cost == (0 if status is Status.VOID else credits_known or 0)
    rejected = bought(Status.FAILED, reason=Reason.REJECTED, credits=credits_known)
    assert rejected.cost == 0


@given(ids, ids)
def test_purchases_are_totally_ordered_by_age(one: str, other: str) -> None:
    a, b = bought(id=one), bought(id=other)
    assert (a.age < b.age) or (b.age < a.age) or one == other

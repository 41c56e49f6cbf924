"""A plan that would exceed a cap is refused before anything is bought."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.planning.make import exceeded_limit
from pipeline.state.store import Caps
from planning.campaign import bought, job, plan

TWO = plan([job("a", "walk", price=100), job("b", "dance", price=20)])


@pytest.mark.parametrize(
    ("caps", "spent", "says"),
    [
        (Caps(), 10**9, None),
        (Caps(max_creates=2), 0, None),
        (Caps(max_creates=1), 0, "2 creates would exceed max_creates (1)"),
        (Caps(max_creates=0), 0, "2 creates would exceed max_creates (0)"),
        (Caps(max_credits=120), 10**9, None),
        (Caps(max_credits=119), 0, "120 credits would exceed max_credits (119)"),
        (Caps(budget=1120), 1000, None),
        (Caps(budget=1119), 1000, "120 credits on top of 1,000 spent would exceed limits.budget (1,119)"),
        (Caps(max_creates=1, max_credits=1, budget=1), 0, "2 creates would exceed max_creates (1)"),
    ],
)
def test_each_cap_is_exact(caps: Caps, spent: int, says: str | None) -> None:
    assert exceeded_limit(TWO, caps, spent) == says


@pytest.mark.parametrize("cap", ["max_credits", "budget"])
def test_unknown_price_is_rejected_under_a_cap_on_credits(cap: str) -> None:
    made = plan([job("a", price=None, template="mystery"), job("b", "x", price=1)])
    told = exceeded_limit(made, Caps(**{cap: 10**9}), 0)
    assert told is not None
    assert "mystery" in told
    assert f"limits.{cap}" in told
    assert "catalog.credits" in told
    assert exceeded_limit(made, Caps(max_creates=2), 0) is None


def test_shared_or_existing_purchases_cost_nothing() -> None:
    a, b, c = job("a", "x"), job("b", "x"), job("c", "y")
    made = plan([a, b, c], bought(1, c))
    assert exceeded_limit(made, Caps(max_creates=1, max_credits=10), 0) is None


@given(st.lists(st.integers(0, 50), max_size=5), st.integers(0, 200), st.integers(0, 200))
def test_plan_is_accepted_exactly_if_its_total_is_within_the_cap(
    prices: list[int], cap: int, spent: int
) -> None:
    made = plan([job(f"j{number}", str(number), price=price) for number, price in enumerate(prices)])
    assert (exceeded_limit(made, Caps(max_credits=cap), spent) is None) == (sum(prices) <= cap)
    assert (exceeded_limit(made, Caps(budget=cap), spent) is None) == (
        not prices or spent + sum(prices) <= cap
    )

"""A plan that would exceed a cap is refused before anything is bought."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.planning.make import exceeded_limit
from pipeline.purchases import Purchase, Status
from pipeline.state.store import Caps
from planning.campaign import bought, job, plan

EARLIER = job("earlier", "ran", template="mystery")


def paid(number: int, credits_paid: int | None, status: Status = Status.DONE) -> Purchase:
    """A purchase of an earlier run, for a job of today's manifest or not."""
    return replace(bought(number, EARLIER, status), credits=credits_paid)


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
    assert exceeded_limit(TWO, caps, [paid(1, spent)]) == says


@pytest.mark.parametrize("cap", ["max_credits", "budget"])
def test_unknown_price_is_rejected_under_a_cap_on_credits(cap: str) -> None:
    made = plan([job("a", price=None, template="mystery"), job("b", "x", price=1)])
    limit: Any = {cap: 10**9}
    told = exceeded_limit(made, Caps(**limit))
    assert told is not None
    assert "mystery" in told
    assert f"limits.{cap}" in told
    assert "catalog.credits" in told
    assert exceeded_limit(made, Caps(max_creates=2)) is None


@pytest.mark.parametrize("budget", [200, 199])
def test_earlier_purchase_without_a_price_counts_at_the_price_of_today(budget: int) -> None:
    caps = Caps(budget=budget, price_of=lambda purchase: {"mystery": 30}[purchase.template_id])
    told = exceeded_limit(TWO, caps, [paid(1, None), paid(2, 50), paid(3, None, Status.VOID)])

    if budget == 200:
        assert told is None
    else:
        assert told == (
            "120 credits on top of 80 spent (30 of them at today's prices) would exceed limits.budget (199)"
        )


def test_earlier_purchase_whose_price_is_not_known_even_today_is_an_error() -> None:
    earlier = [paid(number, None) for number in range(1, 6)]
    told = exceeded_limit(TWO, Caps(budget=10**9), earlier)

    named = ", ".join(f"{each.key} ({each.id})" for each in earlier[:3])
    assert told is not None
    assert told.startswith(f"mystery: no known price, neither now nor when {named} and 2 more were bought")
    assert "set the price under catalog.credits, or remove limits.budget" in told
    assert exceeded_limit(TWO, Caps(max_credits=120), earlier) is None
    assert exceeded_limit(plan([]), Caps(budget=0), earlier) is None


def test_shared_or_existing_purchases_cost_nothing() -> None:
    a, b, c = job("a", "x"), job("b", "x"), job("c", "y")
    made = plan([a, b, c], bought(1, c))
    assert exceeded_limit(made, Caps(max_creates=1, max_credits=10)) is None


@given(st.lists(st.integers(0, 50), max_size=5), st.integers(0, 200), st.integers(0, 200))
def test_plan_is_accepted_exactly_if_its_total_is_within_the_cap(
    prices: list[int], cap: int, spent: int
) -> None:
    made = plan([job(f"j{number}", str(number), price=price) for number, price in enumerate(prices)])
    assert (exceeded_limit(made, Caps(max_credits=cap), [paid(1, spent)]) is None) == (sum(prices) <= cap)
    assert (exceeded_limit(made, Caps(budget=cap), [paid(1, spent)]) is None) == (
        not prices or spent + sum(prices) <= cap
    )

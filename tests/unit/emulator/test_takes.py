from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emulator.ledger import LedgerEntry, TakeCounter

BOUGHT = LedgerEntry(
    time=0, status=200, workflow_id=None, credits=0, title="", template_id="", request="", content="x", take=1
)


def title(take: int) -> str:
    """The title of a take, as a campaign writes it."""
    return f"spring: main/loop/red{f'#{take}' if take > 1 else ''} (0123456789abcdef)"


@given(st.permutations(range(1, 7)))
def test_takes_keep_their_numbers_in_any_order_of_arrival(order: list[int]) -> None:
    counter = TakeCounter([])

    assert [counter.next("x", title(take)) for take in order] == order


@given(st.lists(st.sampled_from(["", "a title", title(1), title(2), title(9)]), max_size=20))
def test_no_two_takes_of_one_request_have_the_same_number(titles: list[str]) -> None:
    counter = TakeCounter([])

    takes = [counter.next("x", each) for each in titles]

    assert len(set(takes)) == len(takes)


def test_requests_are_counted_separately() -> None:
    counter = TakeCounter([])

    assert [counter.next(content, "") for content in "xyx"] == [1, 1, 2]


def test_remade_take_gets_the_next_free_number() -> None:
    counter = TakeCounter([BOUGHT, replace(BOUGHT, take=2), replace(BOUGHT, take=None)])

    assert [counter.next("x", title(1)), counter.next("x", title(2))] == [3, 4]


@pytest.mark.parametrize("text", ["Sneaker #7", "#7", "a#7 (0123)", "a#7 (0123456789abcdef) more", "a#0x7"])
def test_number_that_only_looks_like_a_take_is_ignored(text: str) -> None:
    assert TakeCounter([]).next("x", text) == 1

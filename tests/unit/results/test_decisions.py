"""Successive decisions about one purchase: the last verdict and stars count, and no note is dropped."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs import JobKey
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Decision, Note, Verdict, by_purchase, in_force, read, record

NAMES = st.none() | st.sampled_from(["ana", "jonas", "mü ☃"])
TEXTS = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and bool(text.strip()))
NOTES = st.builds(
    Note, text=TEXTS, at=st.none() | st.floats(0, 86_400).map(lambda at: round(at, 3)), by=NAMES
)
PURCHASES = [PurchaseId(digit * 16) for digit in "abc"]
DECISIONS = st.builds(
    Decision,
    purchase=st.sampled_from(PURCHASES),
    key=st.sampled_from([JobKey("a/b"), JobKey("a/c")]),
    decision=st.none() | st.sampled_from(Verdict),
    withdraws=st.just(False),
    rating=st.none() | st.integers(1, 5),
    note=st.none() | TEXTS,
    notes=st.lists(NOTES, max_size=3).map(tuple),
    by=NAMES,
    at=st.just("2026-11-28T14:41:02.000Z"),
)


# Some of them withdraw the verdict before them.
SAID = st.lists(
    DECISIONS | DECISIONS.map(lambda decision: replace(decision, decision=None, withdraws=True)),
    max_size=8,
)


def texts(decision: Decision) -> set[str]:
    """All notes on a take."""
    return {each.text for each in decision.notes} | ({decision.note} if decision.note else set())


@given(SAID)
def test_the_last_verdict_and_stars_count_and_no_note_is_dropped(said: list[Decision]) -> None:
    joined = by_purchase(said)

    for purchase in PURCHASES:
        own = [each for each in said if each.purchase == purchase]
        if not own:
            assert purchase not in joined
            continue
        assert joined[purchase].decision == next(
            (each.decision for each in reversed(own) if each.decision or each.withdraws), None
        )
        assert joined[purchase].rating == next((e.rating for e in reversed(own) if e.rating), None)
        assert texts(joined[purchase]) == set().union(*map(texts, own))


@given(SAID, st.integers(0, 8))
def test_it_does_not_matter_how_much_of_it_was_written_before(said: list[Decision], cut: int) -> None:
    before = by_purchase(said[:cut]).values()

    assert list(by_purchase([*before, *said[cut:]]).items()) == list(by_purchase(said).items())


@given(SAID)
def test_what_counts_does_not_change_by_writing_it_down(said: list[Decision]) -> None:
    counts, again = in_force(said), in_force(by_purchase(said).values())

    assert list(counts.approved.items()) == list(again.approved.items())
    assert (counts.rejected, counts.redo) == (again.rejected, again.redo)
    assert counts.order == again.order


def test_which_of_two_was_decided_later_is_known_until_one_is_decided_again() -> None:
    rejected, sent_back = (
        Decision(purchase=each, key=JobKey("a/b"), decision=verdict)
        for each, verdict in zip(PURCHASES[:2], (Verdict.REJECTED, Verdict.REDO), strict=True)
    )

    first, then = in_force([rejected, sent_back]), in_force([rejected, sent_back, rejected])

    assert first.is_later(sent_back.purchase, rejected.purchase)
    assert then.is_later(rejected.purchase, sent_back.purchase)


@pytest.mark.parametrize(
    "text", ["é", "a: b", "- x", "# no comment", "\n two\nlines\n", "'", '"', "🎬", "2026-11-28", "1.25"]
)
def test_what_is_written_is_read_again(tmp_path: Path, text: str) -> None:
    note = Note(text=text, at=1.25, by="ana")
    said = Decision(
        purchase=PURCHASES[0],
        key=JobKey("a/b"),
        decision=Verdict.REDO,
        note=text,
        notes=(note,),
        by="ana",
        at="2026-11-28T14:41:02.000Z",
    )
    record(tmp_path / "c.decisions.yaml", "c.decisions.yaml", [said])

    assert read(tmp_path / "c.decisions.yaml", "c.decisions.yaml") == (said,)

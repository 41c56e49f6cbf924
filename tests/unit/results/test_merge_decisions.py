"""Joining the decisions of two branches: in any order and grouping the same, and the last verdict counts."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs import JobKey
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Decision, Note, Verdict, by_purchase, in_force, read, record, write
from pipeline.results.merge_decisions import merge_decisions

P, Q = PurchaseId("a" * 16), PurchaseId("b" * 16)
TIMES = [
    "2026-11-28T14:41:02.000Z",
    "2026-11-28T14:41:02.001Z",
    "2026-11-28T15:41:02+01:00",
    "2026-11-29",
    "soon",
]
DECISIONS = st.builds(
    Decision,
    purchase=st.sampled_from([P, Q]),
    key=st.sampled_from([JobKey("a/b"), JobKey("a/c")]),
    decision=st.none() | st.sampled_from(Verdict),
    rating=st.none() | st.integers(1, 2),
    note=st.none() | st.sampled_from(["x", "y"]),
    notes=st.lists(st.builds(Note, text=st.sampled_from(["m", "n"])), max_size=1).map(tuple),
    at=st.none() | st.sampled_from([*TIMES, "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+23:00"]),
).flatmap(
    lambda each: st.just(each) if each.decision else st.booleans().map(lambda w: replace(each, withdraws=w))
)
FILES = st.lists(DECISIONS, max_size=6)


@given(FILES, FILES, FILES)
def test_order_and_grouping_do_not_matter(a: list[Decision], b: list[Decision], c: list[Decision]) -> None:
    assert merge_decisions([a, b]) == merge_decisions([b, a])
    assert (
        merge_decisions([merge_decisions([a, b]), c])
        == merge_decisions([a, merge_decisions([b, c])])
        == merge_decisions([a, b, c])
    )


@given(FILES, FILES)
def test_joining_again_changes_nothing(a: list[Decision], b: list[Decision]) -> None:
    joined = merge_decisions([a, b])

    assert (
        merge_decisions([joined]) == merge_decisions([joined, a]) == merge_decisions([joined, b, b]) == joined
    )


@given(FILES)
def test_what_counts_in_a_file_still_counts_when_it_is_joined_with_itself(file: list[Decision]) -> None:
    before, after = in_force(file), in_force(merge_decisions([file, file]))

    assert list(before.approved.items()) == list(after.approved.items())
    assert (before.rejected, before.redo) == (after.rejected, after.redo)


@given(FILES, FILES)
def test_no_note_is_dropped(a: list[Decision], b: list[Decision]) -> None:
    def texts(file: list[Decision]) -> set[tuple[PurchaseId, str]]:
        decided = by_purchase(file).values()
        notes = {(each.purchase, note.text) for each in decided for note in each.notes}
        return notes | {(each.purchase, each.note) for each in decided if each.note}

    assert texts(merge_decisions([a, b])) == texts(a) | texts(b)


def said(verdict: Verdict | None, at: str | None, purchase: PurchaseId = P) -> Decision:
    """A verdict; None takes one back."""
    return Decision(purchase=purchase, key=JobKey("a/b"), decision=verdict, withdraws=verdict is None, at=at)


def test_the_later_verdict_counts_whichever_branch_has_it() -> None:
    approved, rejected = said(Verdict.APPROVED, TIMES[1]), said(Verdict.REJECTED, TIMES[0])

    assert in_force(merge_decisions([[approved], [rejected]])).approved == {P: "a/b"}
    assert in_force(merge_decisions([[approved], [rejected, said(None, TIMES[3])]])).approved == {}


def test_of_two_verdicts_at_the_same_time_the_approval_counts() -> None:
    files = [[said(verdict, TIMES[0])] for verdict in (Verdict.APPROVED, Verdict.REDO)]

    assert in_force(merge_decisions(files)).approved == {P: "a/b"}


@pytest.mark.parametrize("verdict", [Verdict.APPROVED, Verdict.REDO])
def test_one_that_was_taken_back_does_not_return_with_the_other_branch(verdict: Verdict) -> None:
    base = [said(verdict, TIMES[0])]
    ours = list(by_purchase([*base, replace(said(None, TIMES[1]), rating=5)]).values())

    counts = in_force(merge_decisions([ours, base]))

    assert (counts.approved, counts.redo) == ({}, frozenset())


def test_stars_given_later_on_one_branch_do_not_take_back_the_approval_of_the_other() -> None:
    stars = Decision(purchase=P, key=JobKey("a/b"), rating=4, at=TIMES[3])

    assert in_force(merge_decisions([[stars], [said(Verdict.APPROVED, TIMES[0])]])).approved == {P: "a/b"}


@pytest.mark.parametrize(("ours", "theirs", "counts"), [(2, None, 2), (2, 5, 5), (4, 1, 1)])
def test_the_later_stars_count_whichever_branch_has_them(
    tmp_path: Path, ours: int, theirs: int | None, counts: int
) -> None:
    approved = replace(said(Verdict.APPROVED, TIMES[0]), rating=3, by="ana")
    files = []
    for branch, stars, at in (("ours", ours, "2026-11-28T15:00:00Z"), ("theirs", theirs, TIMES[3])):
        path = tmp_path / f"{branch}.decisions.yaml"
        record(path, path.name, [approved])
        if stars is not None:
            record(path, path.name, [Decision(purchase=P, key=JobKey("a/b"), rating=stars, by="bo", at=at)])
        files.append(read(path, path.name))

    for order in (files, files[::-1]):
        merged = by_purchase(merge_decisions(order))[P]
        assert (merged.decision, merged.rating) == (Verdict.APPROVED, counts)
        assert (merged.by, merged.at) == ("ana", TIMES[0])


def test_stars_given_before_a_verdict_are_no_later_than_they_were_given(tmp_path: Path) -> None:
    def stars(number: int, at: str) -> Decision:
        return Decision(purchase=P, key=JobKey("a/b"), rating=number, by="bo", at=at)

    approved = replace(said(Verdict.APPROVED, "2026-11-28T17:00:00Z"), by="ana")
    files = []
    for branch, decided in (
        ("ours", [stars(2, "2026-11-28T15:00:00Z"), approved]),
        ("theirs", [stars(5, "2026-11-28T16:00:00Z")]),
    ):
        path = tmp_path / f"{branch}.decisions.yaml"
        for each in decided:
            record(path, path.name, [each])
        files.append(read(path, path.name))

    for order in (files, files[::-1]):
        merged = by_purchase(merge_decisions(order))[P]
        assert (merged.decision, merged.rating) == (Verdict.APPROVED, 5)
        assert (merged.by, merged.at) == ("ana", approved.at)


def test_what_was_written_by_hand_without_a_time_is_later_than_what_stands_above_it() -> None:
    ours = [said(Verdict.REJECTED, TIMES[0]), said(Verdict.APPROVED, None)]

    joined = merge_decisions([ours, [said(Verdict.REJECTED, TIMES[0])]])

    assert [(each.decision, each.at) for each in joined] == [
        (Verdict.REJECTED, TIMES[0]),
        (Verdict.APPROVED, TIMES[1]),
    ]


def test_moment_at_a_whole_second_is_written_in_one_way_however_it_was_typed(tmp_path: Path) -> None:
    """Two branches that have the same note must join to the same bytes in either order."""
    files = []
    for typed in ("0", "0.0", "-0.0"):
        path = tmp_path / f"{typed}.decisions.yaml"
        noted = f"notes: [{{at: {typed}, text: late}}]"
        path.write_text(f"version: 1\ndecisions:\n- {{purchase: {P}, key: a/b, {noted}}}\n")
        files.append(read(path, path.name))

    joined = [merge_decisions(files), merge_decisions(reversed(files))]

    for number, each in enumerate(joined):
        write(tmp_path / str(number), str(number), each)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    assert "at: 0.0\n" in (tmp_path / "0").read_text()

"""Successive decisions about one purchase: the last verdict and stars count, and no note is dropped."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.documents import schema
from pipeline.documents.yaml_reader import read_yaml
from pipeline.errors import InvalidInput, UsageError
from pipeline.jobs import JobKey
from pipeline.purchases import PurchaseId
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Note, Verdict, by_purchase, in_force, read, record
from pipeline.results.file import LARGEST

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
    at=st.sampled_from(["2026-11-28T14:41:02.000Z", "2026-11-29T08:00:00.000Z"]),
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
def test_last_verdict_and_stars_count_and_no_note_is_dropped(said: list[Decision]) -> None:
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
def test_merging_in_two_steps_gives_the_same(said: list[Decision], cut: int) -> None:
    before = by_purchase(said[:cut]).values()

    assert list(by_purchase([*before, *said[cut:]]).items()) == list(by_purchase(said).items())


@given(SAID)
def test_writing_decisions_does_not_change_their_effect(said: list[Decision]) -> None:
    counts, again = in_force(said), in_force(by_purchase(said).values())

    assert list(counts.approved.items()) == list(again.approved.items())
    assert (counts.rejected, counts.redo) == (again.rejected, again.redo)
    assert counts.order == again.order


def test_later_of_two_decisions_is_known() -> None:
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
def test_written_decisions_read_back(tmp_path: Path, text: str) -> None:
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


def many(number: int, note: str | None = None) -> list[Decision]:
    """An approval of each of `number` takes."""
    return [
        Decision(
            purchase=PurchaseId(f"{each:016x}"),
            key=JobKey(f"hero/overlay/{each}/walk"),
            decision=Verdict.APPROVED,
            note=note,
        )
        for each in range(number)
    ]


def test_all_takes_of_a_large_campaign_can_be_decided_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "c.decisions.yaml"
    said = many(15_000, note="the one with the longest shadow, as we said on Monday")

    record(path, path.name, said)

    assert path.stat().st_size > 2 << 20
    assert read(path, path.name) == tuple(said)


def test_large_file_is_readable_by_any_yaml_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "_MAX_WRITTEN_AS_YAML", 100)
    path = tmp_path / "c.decisions.yaml"
    said = many(2, note="🎬 é\u2028 two\nlines\x85\x7f\ufeff")
    record(path, path.name, said)

    assert path.read_text().splitlines()[1].startswith("{")
    plain: Any = read_yaml(path, path.name).root.plain()
    assert plain["decisions"] == [decisions.as_json(each) for each in said]
    assert read(path, path.name) == tuple(said)


@given(SAID)
def test_stars_that_were_not_given_with_the_verdict_keep_their_time_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, said: list[Decision]
) -> None:
    path = tmp_path_factory.mktemp("stars") / "c.decisions.yaml"
    for each in said:
        record(path, path.name, [each])

    last = by_purchase(said)
    rows = read(path, path.name)

    assert by_purchase(rows) == last
    for purchase, joined in last.items():
        own = [each for each in rows if each.purchase == purchase]
        assert len(own) == (1 if joined.rated is None else 2)
        assert [each.rating for each in own][-1] == joined.rating


def test_stars_share_the_entry_of_the_verdict_where_a_file_has_no_room_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "_MAX_ENTRIES", 4)
    path = tmp_path / "c.decisions.yaml"
    said = many(3)
    rated = [replace(each, decision=None, rating=5, at="2026-11-29T08:00:00.000Z") for each in said]
    record(path, path.name, [*said, rated[0]])
    assert len(read(path, path.name)) == 4

    record(path, path.name, rated)

    assert [each.rating for each in read(path, path.name)] == [5, 5, 5]


def test_decision_limits_equal_those_of_the_results() -> None:
    listed: list[Any] = [schema.load(name)["properties"] for name in ("decisions", "results")]

    assert listed[0]["decisions"]["maxItems"] == listed[1]["purchases"]["maxItems"] == decisions._MAX_ENTRIES
    assert decisions.LARGEST == LARGEST


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("}\n]}", "},  # the last one\n]}"),
        lambda text: text.replace('"decision": "approved"', "decision: approved"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"\n# from the meeting\n\n{text}",
    ],
)
def test_large_file_can_be_edited_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[str], str]
) -> None:
    monkeypatch.setattr(decisions, "_MAX_WRITTEN_AS_YAML", 100)
    path = tmp_path / "c.decisions.yaml"
    record(path, path.name, many(3))
    path.write_bytes(edit(path.read_text()).encode())

    assert read(path, path.name) == tuple(many(3))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ('"approved"', "c.decisions.yaml:5:76: decisions[2].decision: "),
        ("}\n<<<<<<< HEAD", "c.decisions.yaml:6:1: an unresolved merge conflict"),
        ("\x07", "c.decisions.yaml:5:"),
        ("", "c.decisions.yaml:"),
    ],
)
def test_error_in_a_large_file_is_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, why: str
) -> None:
    monkeypatch.setattr(decisions, "_MAX_WRITTEN_AS_YAML", 100)
    path = tmp_path / "c.decisions.yaml"
    record(path, path.name, many(3))
    lines = path.read_text().splitlines(keepends=True)
    at = lines[4].index('"approved"')
    lines[4] = (
        lines[4].replace('"approved"', '"aproved"')
        if wrong == '"approved"'
        else lines[4][:at] + wrong + lines[4][at + 3 :]
    )
    path.write_text("".join(lines))

    with pytest.raises(InvalidInput) as error:
        read(path, path.name)
    assert why in str(error.value)


def test_unreadable_decisions_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.decisions.yaml"
    (said,) = many(1)
    noted = replace(said, notes=tuple(Note(text=str(each)) for each in range(1000)))
    record(path, path.name, [noted])
    before = path.read_bytes()

    with pytest.raises(UsageError, match=r"nothing is written.*notes"):
        record(path, path.name, [replace(said, notes=(Note(text="one more"),))])
    monkeypatch.setattr(decisions, "LARGEST", len(before))
    with pytest.raises(UsageError, match=r"nothing is written, as more than .* bytes"):
        record(path, path.name, [replace(said, purchase=PURCHASES[0])])

    assert path.read_bytes() == before
    assert read(path, path.name) == (noted,)


def test_empty_handwritten_note_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c.decisions.yaml"
    (said,) = many(1)
    row = json.dumps({**decisions.as_json(said), "note": ""})
    path.write_text(f'{{"version": 1, "decisions": [{row}]}}')

    record(path, path.name, [replace(said, decision=Verdict.REJECTED, note="the logo")])

    assert read(path, path.name) == (replace(said, decision=Verdict.REJECTED, note="the logo"),)


def left_by_a_killed_command(path: Path) -> Path:
    """What a command leaves that is killed while it writes decisions."""
    script = (
        "import os, sys; from pathlib import Path; from pipeline import failpoints; "
        "from pipeline.results import decisions; failpoints.arm(lambda _: os._exit(9)); "
        "decisions.record(Path(sys.argv[1]), '', ())"
    )
    around = {"PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", script, str(path)], check=False, env=around)
    (left,) = path.parent.iterdir()
    return left


@fails_without("pipeline.results.decisions:alone", "if is_alone")
def test_next_decision_removes_what_a_killed_command_left(tmp_path: Path) -> None:
    left = left_by_a_killed_command(tmp_path / "spring.decisions.yaml")

    record(tmp_path / "spring.decisions.yaml", "", ())

    assert left.name.startswith(".spring.decisions.yaml.")
    assert [each.name for each in tmp_path.iterdir()] == ["spring.decisions.yaml"]


def test_file_that_may_be_in_use_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without locks, another command may be writing at this moment."""
    left = left_by_a_killed_command(tmp_path / "spring.decisions.yaml")
    monkeypatch.setattr("pipeline.system.open_folder", lambda _: None)

    record(tmp_path / "spring.decisions.yaml", "", ())

    assert left.exists()

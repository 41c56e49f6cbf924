"""A run's note is read as it was written; a damaged or foreign one is ignored."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.jobs import JobKey
from pipeline.operations.clock import now, run_id
from pipeline.operations.run_note import NoteWriter, RunNote, read_note, why_not_bought

MINUTES = [f"2026-03-01T12:{minute:02}" for minute in range(60)]


def test_calls_are_counted_by_minute_and_the_oldest_minutes_dropped(tmp_path: Path) -> None:
    path, run, clock = tmp_path / "spring.run.json", run_id(), iter(MINUTES * 2)
    writer = NoteWriter(path, run, 500, clock=lambda: f"{next(clock)}:07.000Z")
    assert read_note(path) is None

    writer.on_call("create", "bought", 0.1)
    assert read_note(path) == RunNote(run=run, max_credits=500, calls={MINUTES[0]: 1})
    for _ in range(99):
        writer.on_call("get", "ok", 0.1)
    writer.finish()

    calls = dict.fromkeys(MINUTES[30:40], 2) | dict.fromkeys(MINUTES[40:], 1)
    assert read_note(path) == writer.note == RunNote(run=run, max_credits=500, calls=calls)
    assert [each.name for each in tmp_path.iterdir()] == ["spring.run.json"]


def test_first_note_creates_its_folder_with_gitignore(tmp_path: Path) -> None:
    path, run = tmp_path / ".pipeline" / "spring.run.json", run_id()
    writer = NoteWriter(path, run, None, clock=now)

    writer.on_call("create", "bought", 0.1)

    assert read_note(path) == writer.note
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_deferred_creates_and_the_in_flight_limit_are_noted(tmp_path: Path) -> None:
    path, run, clock = tmp_path / "spring.run.json", run_id(), iter(MINUTES)
    writer = NoteWriter(path, run, None, clock=lambda: f"{next(clock)}:07.000Z", in_flight=8)
    for outcome in ("deferred", "bought", "deferred", *["ok"] * 30):
        writer.on_call("create", outcome, 0.1)
    writer.finish()

    # Nothing else is kept of minutes whose calls are dropped.
    note = read_note(path)
    assert note is not None
    assert note == writer.note
    assert (note.in_flight, note.deferred) == (8, {})
    writer.on_call("create", "deferred", 0.1)
    writer.finish()
    note = read_note(path)
    assert note is not None
    assert note.deferred == {MINUTES[33]: 1}


def test_selected_jobs_are_noted_before_the_first_call(tmp_path: Path) -> None:
    path, walk, dance = tmp_path / "spring.run.json", JobKey("main/loop/walk"), JobKey("main/loop/dance")
    writer = NoteWriter(path, run_id(), None, now)
    writer.select(None)
    assert not path.exists()

    writer.select({walk})

    for _ in range(2):
        note = read_note(path)
        assert note is not None
        assert (note.selects(walk), note.selects(dance)) == (True, False)
        writer.on_call("create", "bought", 0.1)
    assert RunNote(run="").selects(dance)
    path.write_text(path.read_text().replace('"selected": ["', '"selected": [7, "'))
    assert read_note(path) is None


def test_jobs_that_are_left_to_the_next_run_are_noted_with_the_reason(tmp_path: Path) -> None:
    path, walk, dance = tmp_path / "spring.run.json", JobKey("main/loop/walk"), JobKey("main/loop/dance")
    assert why_not_bought(path)(walk) is None
    writer = NoteWriter(path, run_id(), None, now)
    writer.leave({})
    assert not path.exists()

    writer.leave({walk: "its file is\x1b gone"})

    assert why_not_bought(path)(walk) == "its file is\\x1b gone"
    assert why_not_bought(path)(dance) is None
    NoteWriter(path, run_id(), None, now).on_call("get", "ok", 0.1)
    assert why_not_bought(path)(walk) is None
    path.write_text(path.read_text().replace('"unbought": {', '"unbought": {"x": 7'))
    assert read_note(path) is None


def test_note_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path, run = tmp_path / "spring.run.json", run_id()
    path.write_text(json.dumps({"run": run, "max_credits": 5, "calls": {MINUTES[0]: 1}}))

    assert read_note(path) == RunNote(run=run, max_credits=5, calls={MINUTES[0]: 1})


def test_run_without_calls_writes_no_note(tmp_path: Path) -> None:
    NoteWriter(tmp_path / "spring.run.json", run_id(), None, now).finish()

    assert not list(tmp_path.iterdir())


def test_unwritable_note_stops_nothing(tmp_path: Path) -> None:
    writer = NoteWriter(tmp_path / "gone" / "spring.run.json", run_id(), None, now)

    writer.on_call("get", "ok", 0.1)

    assert sum(writer.note.calls.values()) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(MINUTES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MINUTES) | st.text(), inner),
    max_leaves=6,
)
NOTES = st.fixed_dictionaries({}, optional=dict.fromkeys(("run", "max_credits", "calls", "unbought"), VALUES))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.binary(max_size=60) | (VALUES | NOTES).map(lambda value: json.dumps(value).encode()))
def test_any_file_is_read_as_a_note_or_ignored(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "spring.run.json"
    path.write_bytes(written)

    note = read_note(path)

    if note is not None:
        assert all(type(count) is int and count >= 0 for count in note.calls.values())
        assert set(note.calls) <= {each for each in note.calls if len(each) == len(MINUTES[0])}
        assert note.max_credits is None or type(note.max_credits) is int

"""Who holds the lock on a state, as seen by observers, which take no lock and do not trust the note."""

import errno
import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from pipeline import system
from pipeline.state import lock
from pipeline.state.lock import Holder, Lock
from state.conftest import NOW
from state.test_lock import acquire, holder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


def write_note(state: Path, **changes: Any) -> None:
    note = {"pid": os.getpid(), "host": platform.node(), "since": NOW, "command": "pipeline run"}
    Path(f"{state}.lock").write_text(json.dumps({**note, **changes}))


def test_holder_is_visible_while_it_runs(state: Path) -> None:
    with holder(state) as process:
        assert lock.holder(state) == Holder(process.pid, "2026-03-01T12:00:00Z")
        assert lock.is_going_on(state) is True
        assert f"pid {process.pid}" in (lock.is_held(state) or "")

    # It has ended without releasing the lock, so its note is still there.
    assert json.loads(Path(f"{state}.lock").read_bytes())["pid"] == process.pid
    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, False, None)


def test_released_lock_has_no_holder(state: Path) -> None:
    acquire(state).release()

    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, False, None)


def test_never_locked_state_has_no_holder_and_gets_no_lock_file(state: Path) -> None:
    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, False, None)
    assert list(state.parent.iterdir()) == []


def test_holder_on_another_machine_is_unknown(state: Path) -> None:
    write_note(state, host="elsewhere")

    assert lock.holder(state) is None
    assert lock.is_going_on(state) is None


def test_holder_is_unknown_without_a_process_list(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_note(state)
    assert lock.is_going_on(state) is True

    monkeypatch.setattr(system, "CAN_SEE_PROCESSES", False)

    assert lock.is_going_on(state) is None


@pytest.mark.parametrize("note", [b"{", b"{}", b"[]", b"\xff"])
def test_foreign_note_is_ignored(state: Path, note: bytes) -> None:
    Path(f"{state}.lock").write_bytes(note)

    assert lock.holder(state) is None
    assert lock.is_going_on(state) is None
    assert lock.is_held(state) is None


@pytest.mark.parametrize("pid", ["x", None, float("inf"), 10**400])
def test_invalid_process_id_names_no_holder(state: Path, pid: Any) -> None:
    write_note(state, pid=pid)

    assert lock.holder(state) is None
    assert lock.is_going_on(state) is False


def test_unreadable_lock_file_is_ignored(state: Path) -> None:
    Path(f"{state}.lock").mkdir()

    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, None, None)


def test_file_system_without_locks_has_no_holder(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, *, wait: bool) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    held: Lock = acquire(state)
    assert lock.is_held(state) is not None

    monkeypatch.setattr(system, "lock", no_locks)

    assert lock.is_held(state) is None
    held.release()

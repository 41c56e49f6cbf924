"""Who holds the lock on a state, as observers see it: they take no lock, and believe no note blindly."""

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


def test_the_holder_is_seen_while_it_lives(state: Path) -> None:
    with holder(state) as process:
        assert lock.holder(state) == Holder(process.pid, "2026-03-01T12:00:00Z")
        assert lock.is_going_on(state) is True
        assert f"pid {process.pid}" in (lock.is_held(state) or "")

    # It has ended without releasing the lock, so its note is still there.
    assert json.loads(Path(f"{state}.lock").read_bytes())["pid"] == process.pid
    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, False, None)


def test_a_released_lock_has_no_holder(state: Path) -> None:
    acquire(state).release()

    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, False, None)


def test_a_state_that_was_never_locked_has_no_holder_and_gets_no_lock_file(state: Path) -> None:
    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, False, None)
    assert list(state.parent.iterdir()) == []


def test_a_holder_on_another_machine_cannot_be_seen(state: Path) -> None:
    write_note(state, host="elsewhere")

    assert lock.holder(state) is None
    assert lock.is_going_on(state) is None


def test_without_a_list_of_processes_no_holder_can_be_seen(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_note(state)
    assert lock.is_going_on(state) is True

    monkeypatch.setattr(system, "CAN_SEE_PROCESSES", False)

    assert lock.is_going_on(state) is None


@pytest.mark.parametrize("note", [b"{", b"{}", b"[]", b"\xff"])
def test_a_note_that_is_not_one_of_ours_tells_nothing(state: Path, note: bytes) -> None:
    Path(f"{state}.lock").write_bytes(note)

    assert lock.holder(state) is None
    assert lock.is_going_on(state) is None
    assert lock.is_held(state) is None


@pytest.mark.parametrize("pid", ["x", None, float("inf"), 10**400])
def test_a_process_id_that_is_not_one_names_no_holder(state: Path, pid: Any) -> None:
    write_note(state, pid=pid)

    assert lock.holder(state) is None
    assert lock.is_going_on(state) is False


def test_a_lock_file_that_cannot_be_read_tells_nothing(state: Path) -> None:
    Path(f"{state}.lock").mkdir()

    assert (lock.holder(state), lock.is_going_on(state), lock.is_held(state)) == (None, None, None)


def test_on_a_file_system_without_locks_no_holder_is_found(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, *, wait: bool) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    held: Lock = acquire(state)
    assert lock.is_held(state) is not None

    monkeypatch.setattr(system, "lock", no_locks)

    assert lock.is_held(state) is None
    held.release()

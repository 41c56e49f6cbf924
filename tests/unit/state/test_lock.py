import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput, StateLocked
from pipeline.state.lock import Lock
from pipeline.state.split_lock import hold_split
from state.conftest import NOW, StateHarness, buy

HOLDS_THE_LOCK = """
import os, sys, time
from pathlib import Path
from pipeline.state.lock import Lock

if "disk-full" in sys.argv:
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
lock = Lock.acquire(Path(sys.argv[1]), since="2026-03-01T12:00:00Z", command="pipeline run spring.yaml")
child = os.fork() if "fork" in sys.argv else None
if child == 0:
    sys.stdin.read()
    os._exit(0)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(state: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_LOCK, str(state), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


def acquire(state: Path) -> Lock:
    return Lock.acquire(state, since=NOW, command="pipeline run")


def test_locked_state_names_its_holder_and_start(tmp_path: Path) -> None:
    state = tmp_path / "s.db"
    with holder(state) as process, pytest.raises(StateLocked) as caught:
        acquire(state)
    for word in (str(process.pid), os.uname().nodename, "2026-03-01T12:00:00Z", "pipeline run spring.yaml"):
        assert word in str(caught.value)


@pytest.mark.parametrize("note", [b"[]", b"{", b"[" * 4096])
def test_content_of_the_lock_on_a_split_is_never_trusted(tmp_path: Path, note: bytes) -> None:
    with hold_split(tmp_path / "s.db", split=None, since=NOW, command="pipeline run"):
        (tmp_path / "s.db.split.lock").write_bytes(note)
        with (
            pytest.raises(StateLocked, match=r"in use by \?"),
            hold_split(tmp_path / "s.db", split=None, since=NOW, command="pipeline run"),
        ):
            pass


def test_fifo_in_the_place_of_the_lock_on_a_split_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.db.split.lock")
    with (
        pytest.raises(InvalidInput, match="not a regular file"),
        hold_split(tmp_path / "s.db", split=None, since=NOW, command="pipeline run"),
    ):
        pass


@fails_without(
    "pipeline.state.lock:Lock.acquire",
    "descriptor = os.open(path",
    swap=("system.PRIVATE", "os.O_EXCL | system.PRIVATE"),
)
def test_killed_holder_leaves_no_lock_but_the_file(tmp_path: Path) -> None:
    state = tmp_path / "s.db"
    with holder(state) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        acquire(state).release()
    assert (tmp_path / "s.db.lock").exists()


@fails_without("pipeline.system:lock", "_fcntl.flock(descriptor, mode", swap=("_fcntl.flock", "_fcntl.lockf"))
def test_child_of_a_killed_holder_keeps_the_lock(tmp_path: Path) -> None:
    state = tmp_path / "s.db"
    with holder(state, "fork") as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        with pytest.raises(StateLocked):
            acquire(state)


def test_program_started_by_the_holder_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "s.db")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        lock.release()
        acquire(tmp_path / "s.db").release()


def test_second_lock_in_the_same_process_is_rejected(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "s.db")
    with pytest.raises(StateLocked, match=str(os.getpid())):
        acquire(tmp_path / "s.db")
    lock.release()


@fails_without(
    "pipeline.state.lock:_described",
    "try:",
    swap=("(ValueError, KeyError, TypeError, RecursionError)", "ValueError"),
)
@pytest.mark.parametrize(
    "note", [b"", b"\xff\xfe", b"[]", b"{}", b'{"pid": {"__class__": 1}}', b"x" * 100_000, b"[" * 4096]
)
def test_content_of_the_lock_file_is_never_trusted(tmp_path: Path, note: bytes) -> None:
    lock = acquire(tmp_path / "s.db")
    lock.path.write_bytes(note)
    with pytest.raises(StateLocked, match="another process"):
        acquire(tmp_path / "s.db")
    lock.release()


@fails_without(
    "pipeline.state.lock:Lock.acquire",
    "if _is_at(descriptor, path",
    swap=("_is_at(descriptor, path)", "True"),
)
def test_lock_on_a_deleted_file_is_not_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, lock_it = tmp_path / "s.db", fcntl.flock

    def after_somebody_deleted_it(descriptor: int, how: int) -> None:
        (tmp_path / "s.db.lock").unlink()
        monkeypatch.undo()
        lock_it(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", after_somebody_deleted_it)
    lock = acquire(state)
    with pytest.raises(StateLocked):
        acquire(state)
    lock.release()


def test_lock_is_held_even_if_its_note_cannot_be_written(tmp_path: Path) -> None:
    state = tmp_path / "s.db"
    with holder(state, "disk-full"), pytest.raises(StateLocked):
        acquire(state)
    acquire(state).release()


@fails_without(
    "pipeline.state.lock:Lock.acquire",
    "descriptor = os.open(path",
    swap=("system.PRIVATE | system.NO_FOLLOW", "system.PRIVATE"),
)
def test_linked_lock_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "s.db.lock").symlink_to(victim)
    with pytest.raises(InvalidInput):
        acquire(tmp_path / "s.db")
    assert victim.read_text() == "mine"


@fails_without(
    "pipeline.system:lock",
    "mode = _fcntl.LOCK_SH",
    swap=("_fcntl.LOCK_EX", "_fcntl.LOCK_SH"),
)
def test_state_is_locked_while_open_and_free_afterwards(harness: StateHarness) -> None:
    store = harness.open()
    with pytest.raises(StateLocked):
        harness.open("run-2")
    assert json.loads(harness.state.with_name("spring.db.lock").read_bytes())["pid"] == os.getpid()
    store.close()
    harness.open("run-2")


def test_rejected_state_is_not_left_locked(harness: StateHarness) -> None:
    store = harness.open()
    buy(store)
    store.close()
    whole = harness.state.read_bytes()
    harness.state.write_bytes(b"")
    with pytest.raises(InvalidInput):
        harness.open()
    harness.state.write_bytes(whole)
    harness.open()

"""Files are read within limits, and writes are atomic."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import failpoints
from pipeline.files import (
    make_folders,
    open_regular,
    read_limited,
    sha256_of,
    sweep,
    write_atomically,
)


@given(st.binary(max_size=100))
def test_hash_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    write_atomically(path, content)
    assert path.read_bytes() == content
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_only_regular_files_are_opened_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(OSError):
            open_regular(path)
        with pytest.raises(OSError):
            read_limited(path, 10)


def test_file_larger_than_the_limit_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert read_limited(tmp_path / "f", 5) == b"12345"
    with pytest.raises(ValueError, match="larger"):
        read_limited(tmp_path / "f", 4)


def test_failed_write_leaves_only_the_old_bytes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_old_bytes_are_there_until_the_replacement(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    seen: list[bytes] = []
    failpoints.arm(lambda _: seen.append(path.read_bytes()))
    try:
        write_atomically(path, b"new")
    finally:
        failpoints.arm(None)
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


def test_write_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(victim)
    write_atomically(tmp_path / "link", b"new")
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "link").is_symlink()


def test_written_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    write_atomically(tmp_path / "f", b"x")
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


WRITES_MORE_THAN_THERE_IS_ROOM = """
import resource, sys
from pathlib import Path
from pipeline.files import write_atomically

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
write_atomically(Path(sys.argv[1]), b"new" * (1 << 16))
"""


def test_write_on_a_full_disk_leaves_the_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(b"old")

    ended = subprocess.run(
        [sys.executable, "-c", WRITES_MORE_THAN_THERE_IS_ROOM, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert "File too large" in ended.stderr
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]


IS_KILLED_BEFORE_IT_REPLACES = """
import os, sys
from pathlib import Path
from pipeline import failpoints
from pipeline.files import write_atomically

failpoints.arm(lambda _: os._exit(9))
write_atomically(Path(sys.argv[1]), b"new")
"""


def killed_write(path: Path) -> Path:
    """A write of `path` whose process is killed; returns what it leaves."""
    before = {*path.parent.iterdir()}
    subprocess.run(
        [sys.executable, "-c", IS_KILLED_BEFORE_IT_REPLACES, str(path)],
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    (left,) = {*path.parent.iterdir()} - before
    return left


LONG = "a-campaign-whose-name-has-more-than-forty-letters"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("spring.results.json", "spring.decisions.yaml"),
        ("spring", "spring.decisions.yaml"),
        (f"{LONG}.results.json", f"{LONG}.decisions.yaml"),
        (f"{LONG}.results.json", f"{LONG}-too.results.json"),
    ],
)
def test_only_what_a_killed_write_of_this_file_left_is_swept(tmp_path: Path, name: str, other: str) -> None:
    left, others = killed_write(tmp_path / name), killed_write(tmp_path / other)
    (tmp_path / f".{name}.mine.tmp").touch()

    sweep(tmp_path / name)

    assert not left.exists()
    assert {*tmp_path.iterdir()} == {others, tmp_path / f".{name}.mine.tmp"}


WRITES_WITHOUT_END = """
import itertools, sys
from pathlib import Path
from pipeline.files import write_atomically

print("begun", flush=True)
for number in itertools.count():
    write_atomically(Path(sys.argv[1]), f"{number:09}\\n".encode() * 20_000)
    print(number, flush=True)
"""


def test_reader_sees_a_whole_file_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for round_number in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITES_WITHOUT_END, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        for _ in range(2 + round_number * 3):
            process.stdout.readline()
            if path.exists():
                content = path.read_bytes()
                assert content == content[:10] * 20_000
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()
        content = path.read_bytes()
        assert content == content[:10] * 20_000


def test_deeply_nested_folders_are_created(tmp_path: Path) -> None:
    deepest = Path(tmp_path, *["d"] * 1500)
    make_folders(deepest)
    make_folders(deepest)
    assert deepest.is_dir()
    for each in (deepest, *deepest.parents):  # `rmtree` is recursive too
        if each == tmp_path:
            break
        each.rmdir()


def test_folder_cannot_be_created_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OSError, match="taken"):
        make_folders(tmp_path / "taken")
    with pytest.raises(OSError, match="taken"):
        make_folders(tmp_path / "taken" / "below")

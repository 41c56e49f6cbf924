"""Two processes that fetch the same purchase never write to the same file, even if the first was assumed dead."""

import subprocess
import sys
from pathlib import Path

from support.protection import fails_without

from pipeline.engine.claim import claimed


@fails_without(
    "pipeline.engine.claim:claimed", "yield beside.with_name(", swap=("beside.with_name(", "(beside, ")
)
def test_second_process_gets_another_name(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / ".a") as first,
        claimed(tmp_path / ".a") as second,
        claimed(tmp_path / ".a") as third,
    ):
        assert first == tmp_path / ".a"
        assert len({first, second, third}) == 3
        assert second.parent == tmp_path


def test_claim_leaves_nothing_and_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(tmp_path / ".a") as beside:
            assert beside == tmp_path / ".a"
    assert not list(tmp_path.iterdir())


def test_dead_process_releases_its_claim(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from pipeline.engine.claim import claimed\n"
        "with claimed(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / ".a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with claimed(tmp_path / ".a") as beside:
            assert beside != tmp_path / ".a"
        holder.kill()
        holder.wait()
        with claimed(tmp_path / ".a") as beside:
            assert beside == tmp_path / ".a"


def test_deleted_lock_file_does_not_block_others(tmp_path: Path) -> None:
    with claimed(tmp_path / ".a"):
        (tmp_path / ".a.lock").unlink()
        with claimed(tmp_path / ".a") as other:
            assert other == tmp_path / ".a"
        assert not (tmp_path / ".a.lock").exists()


def test_claim_succeeds_if_no_lock_can_be_created(tmp_path: Path) -> None:
    with claimed(tmp_path / "missing" / ".a") as beside:
        assert beside == tmp_path / "missing" / ".a"

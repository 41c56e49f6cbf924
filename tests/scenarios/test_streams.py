"""Broken output streams: closed before the start, or on a full disk. No bug is reported and nothing is lost."""

import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from support.calling import Ended
from support.campaigns import Project
from support.checks import assert_nothing_forgotten
from support.processes import PATIENCE, PROGRAM, Running, environment, until

from pipeline.emulator.embedded import Emulator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("sh") is None, reason="needs a POSIX shell and /dev/full"
)


def through(shell: str, vendor: Emulator, *arguments: object) -> Ended:
    """Call a command with its streams redirected by `shell`."""
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {shell}', "sh", *PROGRAM, *map(str, arguments)],
        env=environment(vendor.url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("command", [("run",), ("plan",), ("validate",), ("status", "--format", "json")])
@pytest.mark.parametrize("shell", [">&-", ">/dev/full"])
def test_missing_stdout_is_reported_and_nothing_is_bought(
    project: Project, vendor: Emulator, shell: str, command: tuple[str, ...]
) -> None:
    ended = through(shell, vendor, *command, project.manifest)

    assert ended.code == 8
    assert ended.err.startswith("error: stdout ")
    assert len(ended.err.splitlines()) == 1
    assert not vendor.ledger.entries


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_run_needs_neither_stderr_nor_stdin(project: Project, vendor: Emulator, shell: str) -> None:
    ended = through(shell, vendor, "run", project.manifest)

    assert ended.code == 0, ended.output
    assert "2 done" in ended.out
    assert len(vendor.ledger.entries) == 2
    assert_nothing_forgotten(project, vendor)


def test_run_continues_if_its_messages_cannot_be_written(
    project: Project, start: Callable[..., Running], vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 1}})
    run = start("run", project.manifest)
    until(lambda: len(vendor.ledger.entries) == 2, "both creates to arrive")
    assert run.process.stderr is not None
    run.process.stderr.close()

    assert run.process.wait(PATIENCE) == 0
    assert set(project.statuses().values()) == {"done"}

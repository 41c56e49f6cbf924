"""Broken output streams: closed before the start, or on a full disk. No bug is reported and nothing is lost."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.calling import Ended
from support.campaigns import Project
from support.checks import assert_nothing_forgotten
from support.processes import PATIENCE, PROGRAM, Running, environment, until
from support.terminal import Terminal

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


@pytest.fixture
def under_way(vendor: Emulator) -> AbstractContextManager[None]:
    """Within it, both creates have arrived and are not answered yet."""
    vendor.fail({"on": "create", "do": {"stall": 600}})

    @contextmanager
    def arrived() -> Iterator[None]:
        until(lambda: len(vendor.ledger.entries) == 2, "both creates to arrive")
        yield
        vendor.clear_faults()

    return arrived()


@pytest.mark.parametrize("arguments", [(), ("--log-format", "json")])
def test_run_continues_if_its_messages_cannot_be_written(
    project: Project,
    start: Callable[..., Running],
    under_way: AbstractContextManager[None],
    arguments: tuple[str, ...],
) -> None:
    run = start("run", project.manifest, *arguments)
    with under_way:
        assert run.process.stderr is not None
        run.process.stderr.close()

    assert run.process.wait(PATIENCE) == 0
    assert set(project.statuses().values()) == {"done"}


def test_run_continues_if_the_reader_of_its_events_is_gone(
    project: Project, start: Callable[..., Running], under_way: AbstractContextManager[None]
) -> None:
    run = start("run", project.manifest, "--events", "-")
    with under_way:
        assert run.process.stdout is not None
        run.process.stdout.close()

    assert run.process.wait(PATIENCE) == 8
    assert run.process.stderr is not None
    assert "--events -: cannot be written: Broken pipe" in run.process.stderr.read()
    assert set(project.statuses().values()) == {"done"}


def test_run_continues_if_there_is_no_space_for_its_events(project: Project, vendor: Emulator) -> None:
    ended = through(">/dev/full", vendor, "run", project.manifest, "--events", "-")

    assert ended.code == 8
    assert "--events -: cannot be written: No space left on device" in ended.err
    assert set(project.statuses().values()) == {"done"}
    assert_nothing_forgotten(project, vendor)


def test_reports_are_written_if_stdout_is_gone(
    project: Project, start: Callable[..., Running], under_way: AbstractContextManager[None]
) -> None:
    run = start("run", project.manifest, "--junit", "junit.xml", "--metrics-file", "run.prom")
    with under_way:
        assert run.process.stdout is not None
        run.process.stdout.close()

    assert run.process.wait(PATIENCE) == 8
    assert "<testsuite" in Path("junit.xml").read_text()
    assert 'pipeline_run_exit_code{campaign="spring"} 8' in Path("run.prom").read_text()


@pytest.mark.parametrize("arguments", [("-v", "run"), ("run",), ("run", "--log-format", "json")])
@pytest.mark.parametrize("is_told", [True, False], ids=["SIGHUP", "as below nohup"])
def test_closed_terminal_loses_nothing(
    project: Project,
    vendor: Emulator,
    folder: Path,
    under_way: AbstractContextManager[None],
    arguments: tuple[str, ...],
    is_told: bool,
) -> None:
    shown = Terminal((*arguments, project.manifest, "--yes"), environment(vendor.url), folder, 80)
    with under_way:
        shown.close()
        if is_told:
            shown.process.send_signal(signal.SIGHUP)

    # Without the signal, it ends as with any stdout that is gone.
    assert shown.process.wait(PATIENCE) == (129 if is_told else 0 if "json" in arguments else 8)
    assert set(project.statuses().values()) == {"submitted" if is_told else "done"}


def test_run_below_nohup_continues_when_its_terminal_is_closed(
    project: Project, vendor: Emulator, under_way: AbstractContextManager[None]
) -> None:
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *PROGRAM, "run", str(project.manifest)]
    with subprocess.Popen(
        ignoring, env=environment(vendor.url), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as run:
        with under_way:
            run.send_signal(signal.SIGHUP)

        assert run.wait(PATIENCE) == 0
    assert set(project.statuses().values()) == {"done"}

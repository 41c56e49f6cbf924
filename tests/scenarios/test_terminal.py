"""On a terminal a person is asked before anything is bought, and colours are shown if wanted."""

import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.campaigns import Project
from support.processes import PATIENCE, PROGRAM, environment, until

from pipeline.emulator.embedded import Emulator

Ask = Callable[..., tuple[int, str]]


def is_asleep(process: int) -> bool:
    """Whether a process is only waiting."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.fixture
def at_a_terminal(folder: Path, vendor: Emulator) -> Ask:
    """Call a command at a terminal where `types` is typed; returns the exit code and the screen."""

    def call(
        *arguments: str | Path,
        types: str = "",
        columns: int = 80,
        at_the_question: signal.Signals | None = None,
        **more: str,
    ) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=environment(vendor.url, {"TERM": "xterm", **more}),
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        os.write(ours, types.encode())
        screen = b""
        # The kernel reports a closed other end of a terminal as an error.
        with suppress(OSError):
            while piece := os.read(ours, 65536):
                screen += piece
                if at_the_question is not None and b"Buy?" in screen:
                    # A signal just before a read does not interrupt it in Python, so the read must have begun.
                    until(lambda: is_asleep(process.pid), "the question to wait for an answer")
                    process.send_signal(at_the_question)
                    at_the_question = None
        os.close(ours)
        return process.wait(PATIENCE), screen.decode()

    return call


@pytest.mark.parametrize(
    ("types", "code", "bought"), [("y\n", 0, 2), ("n\n", 8, 0), ("\n", 8, 0), ("\x04", 8, 0)]
)
def test_only_yes_buys(
    project: Project, at_a_terminal: Ask, vendor: Emulator, types: str, code: int, bought: int
) -> None:
    ended, screen = at_a_terminal("run", project.manifest, types=types)

    assert ended == code, screen
    assert "Buy?" in screen
    assert "200 credits" in screen.partition("Buy?")[0]
    assert "What to do" not in screen
    assert len(vendor.ledger.entries) == bought


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel does not tell who waits")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_at_the_question_buys_nothing(
    project: Project, at_a_terminal: Ask, vendor: Emulator, number: signal.Signals, code: int
) -> None:
    ended, screen = at_a_terminal("run", project.manifest, at_the_question=number)

    assert ended == code, screen
    assert re.search("^nothing was bought", screen, re.MULTILINE), screen  # not behind the question
    assert vendor.ledger.entries == ()
    assert not project.results_file.exists()


def test_yes_flag_asks_no_question(project: Project, at_a_terminal: Ask, vendor: Emulator) -> None:
    ended, screen = at_a_terminal("run", project.manifest, "--yes")

    assert ended == 0, screen
    assert "Buy?" not in screen
    assert "2 of 2 done" in screen


def test_narrow_terminal_breaks_nothing(project: Project, at_a_terminal: Ask) -> None:
    ended, screen = at_a_terminal("run", project.manifest, "--yes", columns=20)

    assert ended == 0, screen
    assert "Traceback" not in screen
    bars = [piece for piece in re.split("[\r\n]", screen) if re.match(r" *\d+% ", piece)]
    assert bars
    assert all(len(bar) <= 20 for bar in bars), bars


def test_colours_are_shown_if_wanted(project: Project, at_a_terminal: Ask) -> None:
    _, coloured = at_a_terminal("plan", project.manifest)
    plain = [
        at_a_terminal("plan", project.manifest, "--no-color"),
        at_a_terminal("plan", project.manifest, NO_COLOR="1"),
        at_a_terminal("plan", project.manifest, TERM="dumb"),
    ]

    assert "\x1b[32m" in coloured
    assert all(code == 0 and "\x1b" not in screen for code, screen in plain)

"""Shell completion of commands, flags and values, without loading unneeded code."""

import os
import subprocess
import sys

import pytest
from support.calling import is_foreign
from support.processes import PROGRAM

from pipeline.cli.main import COMMANDS


def completed(*words: str) -> list[str]:
    """What bash would offer for the last word."""
    return said(
        "bash_complete", COMP_WORDS=" ".join(["pipeline", *words]), COMP_CWORD=str(len(words))
    ).split()


def said(instruction: str, **more: str) -> str:
    around = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    ended = subprocess.run(
        PROGRAM,
        env={**around, "_PIPELINE_COMPLETE": instruction, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    assert "_PIPELINE_COMPLETE" in said(f"{shell}_source")


def test_every_command_is_offered() -> None:
    assert completed("") == [f"plain,{name}" for name in COMMANDS]


def test_flags_and_their_values_are_offered() -> None:
    assert "plain,--detailed-exitcode" in completed("plan", "--det")
    assert completed("plan", "--format", "") == ["plain,text", "plain,json", "plain,markdown"]


def test_command_names_are_offered_without_loading_the_commands() -> None:
    program = (
        "import sys\n"
        "from pipeline.cli.main import cli\n"
        "import click\n"
        "found = cli.shell_complete(click.Context(cli), 'pl')\n"
        "print([each.value for each in found], 'pipeline.cli.plan' in sys.modules)\n"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == "['plan'] False"

"""Help, version and wrong usage follow the usual conventions."""

import re

import pytest
from support.calling import Pipeline

import pipeline
from pipeline.cli.main import COMMANDS


def test_help_names_every_command(offline: Pipeline) -> None:
    ended = offline("--help")

    assert ended.code == 0
    for name, (_, short) in COMMANDS.items():
        assert f"  {name} " in ended.out
        assert short in ended.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_has_help(offline: Pipeline, command: str) -> None:
    ended = offline(command, "--help")

    assert ended.code == 0, ended.output
    assert ended.out.startswith(f"Usage: pipeline {command}")
    flags = [line.strip() for line in ended.out.splitlines() if line.startswith("  -")]
    assert flags
    # A flag without help has its own line, and the next line belongs to another flag.
    following = ended.out.split("Options:", 1)[1].splitlines()[1:]
    for line, after in zip(following, [*following[1:], ""], strict=True):
        if line.startswith("  -"):
            assert "  " in line.strip() or after.startswith("     "), line


@pytest.mark.parametrize("command", COMMANDS)
def test_metavars_are_meaningful_to_users(offline: Pipeline, command: str) -> None:
    shown = offline(command, "--help").out

    assert not re.findall(r"\b(?:RANGE|TEXT|INTEGER|FLOAT)\b", shown.replace("--note TEXT", ""))
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_wrap_commands_to_copy(offline: Pipeline, command: str) -> None:
    shown = offline(command, "--help").out

    broken = [said for said in shown.split("`")[1::2] if "\n" in said]
    assert broken == []


_HELP = [("--help",), *((command, "--help") for command in COMMANDS), ("state", "export", "--help")]


@pytest.mark.parametrize("arguments", _HELP, ids=" ".join)
def test_narrow_terminal_wraps_help_between_words(offline: Pipeline, arguments: tuple[str, ...]) -> None:
    usual = offline(*arguments).out
    offline.set("COLUMNS", "40")
    narrow = offline(*arguments).out

    assert narrow.split() == usual.split()
    usage, _, rest = narrow.partition("\n\n")
    # A command to copy stays on one line, which the terminal wraps.
    lines = [line for line in rest.splitlines() if not re.fullmatch(r" *`.*`", line)]
    assert [line for line in (*usage.splitlines(), *lines) if len(line) > 40] == []
    # Text starts in the left third of the terminal.
    assert [line for line in lines if line.startswith(" " * 14)] == []


def test_version_is_that_of_the_package(offline: Pipeline) -> None:
    assert pipeline.__version__ in offline("--version").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("valdate",), "did you mean 'validate'"),
        (("plan",), "MANIFEST"),
        (("plan", "--no-such"), "--no-such"),
        (("plan", "x.yaml", "--format", "xml"), "xml"),
        (("schema",), "campaign"),
    ],
)
def test_wrong_usage_exits_64_and_suggests_a_fix(
    offline: Pipeline, arguments: tuple[str, ...], said: str
) -> None:
    ended = offline(*arguments)

    assert ended.code == 64
    assert said in ended.err


@pytest.mark.parametrize("arguments", [(), ("state",)])
def test_command_that_lacks_its_subcommand_shows_its_help_once(
    offline: Pipeline, arguments: tuple[str, ...]
) -> None:
    ended = offline(*arguments)

    assert ended.code == 64
    assert ended.err.startswith(f"Usage: {' '.join(('pipeline', *arguments))} ")
    assert ended.err.lower().count("usage: ") == 1

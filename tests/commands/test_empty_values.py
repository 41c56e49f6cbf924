"""An empty or blank value is not the same as a missing one: in CI, unset variables are empty."""

from collections.abc import Iterator

import click
import pytest
from support.calling import Pipeline
from support.campaigns import Project

from pipeline.cli.main import cli
from pipeline.emulator.embedded import Emulator


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command below `command`, with the words of its name."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, *path, name)


def takes_a_value(parameter: click.Parameter) -> bool:
    return not (isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count))


FLAGS = [
    (path, parameter.opts[0])
    for path, command in commands(cli)
    for parameter in command.params
    if isinstance(parameter, click.Option) and takes_a_value(parameter)
]
TAKING_ARGUMENTS = [
    path
    for path, command in commands(cli)
    if any(isinstance(parameter, click.Argument) for parameter in command.params)
]


def test_flags_and_arguments_are_found() -> None:
    assert (("run",), "--state") in FLAGS
    assert ("state", "export") in TAKING_ARGUMENTS


@pytest.mark.parametrize(
    ("path", "flag"), FLAGS, ids=lambda each: each if isinstance(each, str) else "-".join(each)
)
def test_empty_flag_value_is_wrong_usage(offline: Pipeline, path: tuple[str, ...], flag: str) -> None:
    for words in ((flag, ""), (f"{flag}=",)):
        ended = offline(*path, *words)

        assert ended.code == 64, ended.output
        assert ended.err.endswith(f"error: {flag} is empty; leave it out, or is a variable unset?\n")


@pytest.mark.parametrize(
    ("path", "flag"), FLAGS, ids=lambda each: each if isinstance(each, str) else "-".join(each)
)
def test_blank_flag_value_is_wrong_usage(offline: Pipeline, path: tuple[str, ...], flag: str) -> None:
    for words in ((flag, " "), (f"{flag}= \t\n",), (flag, "\u00a0")):
        ended = offline(*path, *words)

        assert ended.code == 64, ended.output
        assert ended.err.endswith(f"error: {flag} is blank; leave it out, or is a variable unset?\n")


@pytest.mark.parametrize("path", TAKING_ARGUMENTS, ids="-".join)
def test_empty_argument_is_wrong_usage(offline: Pipeline, path: tuple[str, ...]) -> None:
    ended = offline(*path, "")

    assert ended.code == 64, ended.output
    assert ended.err.endswith("error: an argument is empty; leave it out, or is a variable unset?\n")


@pytest.mark.parametrize("path", TAKING_ARGUMENTS, ids="-".join)
def test_blank_argument_is_wrong_usage(offline: Pipeline, path: tuple[str, ...]) -> None:
    ended = offline(*path, " ")

    assert ended.code == 64, ended.output
    assert ended.err.endswith("error: an argument is blank; leave it out, or is a variable unset?\n")


@pytest.mark.parametrize("flag", ["STATE", "SELECT", "MAX_CREATES"])
def test_blank_environment_variable_is_wrong_usage(offline: Pipeline, project: Project, flag: str) -> None:
    offline.set(f"PIPELINE_{flag}", " ")
    before = project.tree()

    ended = offline("run", project.manifest)

    assert ended.code == 64, ended.output
    name = flag.lower().replace("_", "-")
    expected = f"error: --{name} is blank in the environment; leave it out, or is a variable unset?\n"
    assert ended.err.endswith(expected)
    assert project.tree() == before


def test_empty_state_flag_does_not_buy_into_the_default_state(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--state", "team.db", "--results", "team.results.json").code == 0
    before = project.tree()

    assert pipeline("run", project.manifest, "--state", "", "--yes").code == 64

    assert len(vendor.ledger.entries) == 2
    assert project.tree() == before


def test_empty_environment_variable_counts_as_unset(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("PIPELINE_STATE", "")
    pipeline.set("PIPELINE_SELECT", "")

    assert pipeline("run", project.manifest).code == 0
    assert (project.folder / ".pipeline" / "spring.db").exists()


def test_folder_in_place_of_a_manifest_is_called_a_folder(project: Project, offline: Pipeline) -> None:
    ended = offline("run", ".")

    assert ended.code == 3
    assert ended.err.startswith("error: .: this is a folder, expected a file\n")

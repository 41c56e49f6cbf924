"""The commands that have `--format json`."""

import itertools

import click

from pipeline.cli.main import COMMANDS, LazyGroup


def json_commands() -> list[str]:
    """Their names, in the order of the help."""
    return [name for name in COMMANDS if _prints_json(name)]


def _prints_json(name: str) -> bool:
    command = LazyGroup().get_command(click.Context(click.Command("pipeline")), name)
    assert command is not None
    formats = [each.type.choices for each in command.params if isinstance(each.type, click.Choice)]
    return "json" in itertools.chain(*formats)

"""`pipeline schema`: the JSON Schemas, for editors and checkers."""

import click

from pipeline.cli.options import manner_options
from pipeline.cli.terminal import say
from pipeline.manifest import schema


@click.command("schema")
@click.argument("name", type=click.Choice(schema.available()))
@manner_options
def command(name: str) -> None:
    """Print the JSON Schema NAME."""
    say(schema.text(name).rstrip())

"""`pipeline schema`: the JSON Schemas, for editors and checkers."""

import click

from pipeline.cli.options import argument, verbosity_options
from pipeline.cli.terminal import say_json
from pipeline.documents import schema


@click.command("schema")
@argument("name", type=click.Choice(schema.available()))
@verbosity_options
def command(name: str) -> None:
    """Print the JSON Schema NAME."""
    say_json(schema.load(name))

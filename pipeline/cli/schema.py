"""`pipeline schema`: prints the JSON Schemas, for editors and validators."""

import click

from pipeline.cli.options import argument, verbosity_options
from pipeline.cli.terminal import say_json
from pipeline.documents import schema


@click.command("schema")
@argument("name", metavar="NAME", type=click.Choice(schema.available()))
@verbosity_options
def command(name: str) -> None:
    say_json(schema.load(name))


_FILES, _DOCUMENTS = ", ".join(schema.CHECKED), ", ".join(schema.NAMES[len(schema.CHECKED) :])
command.help = (
    f"Print the JSON Schema NAME, for an editor or a script.\n\nOf files: {_FILES}.\n\n"
    f"Of what commands print: {_DOCUMENTS}."
)

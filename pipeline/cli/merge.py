"""`pipeline merge`: joins results manifests, or decisions files; also serves as a merge driver for git."""

from pathlib import Path

import click

from pipeline.cli.options import INPUT, OUTPUT, argument, flag, format_option, verbosity, verbosity_options
from pipeline.cli.terminal import say, say_json
from pipeline.errors import counted, printable
from pipeline.operations.merge import merge_files


@click.command("merge")
@argument("files", nargs=-1, required=True, type=INPUT)
@flag("--out", required=True, type=OUTPUT, metavar="FILE", help="Where to write the result.")
@format_option("text", "json")
@verbosity_options
def command(files: tuple[Path, ...], out: Path, output_format: str) -> None:
    """Join FILES into one: results, or decisions. No purchase and no decision is dropped; the order does not matter.

    Git calls it by itself as a merge driver: see docs/how-to/merge.md.
    """
    document = merge_files(files, out)
    if output_format == "json":
        say_json({"out": str(out), "files": len(files), **document})
    elif not verbosity().quiet:
        say(f"{printable(str(out))}: {counted(len(files), 'file')} joined")

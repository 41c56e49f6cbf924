"""`pipeline merge`: joins results manifests; also serves as a merge driver for git."""

from pathlib import Path

import click

from pipeline.cli.options import INPUT, OUTPUT, argument, flag, format_option, verbosity, verbosity_options
from pipeline.cli.terminal import say, say_json
from pipeline.errors import counted, printable
from pipeline.operations.merge import merge_files


@click.command("merge")
@argument("results", nargs=-1, required=True, type=INPUT)
@flag("--out", required=True, type=OUTPUT, metavar="FILE", help="Where to write the result.")
@format_option("text", "json")
@verbosity_options
def command(results: tuple[Path, ...], out: Path, output_format: str) -> None:
    """Join RESULTS into one file. No purchase is dropped, and the order does not matter.

    \b
    As git's merge driver:
    `git config merge.pipeline.driver "pipeline merge %A %B --out %A"`
    """  # noqa: D301 - a line of \b keeps click from wrapping the paragraph
    document = merge_files(results, out)
    if output_format == "json":
        say_json({"out": str(out), "files": len(results), **document})
    elif not verbosity().quiet:
        say(f"{printable(str(out))}: {counted(len(results), 'file')} joined")

"""`pipeline merge`: joins results manifests, as git's merge driver too."""

from pathlib import Path

import click

from pipeline.cli.options import INPUT, flag, verbosity, verbosity_options
from pipeline.cli.terminal import say
from pipeline.errors import printable
from pipeline.operations.merge import merge_files


@click.command("merge")
@click.argument("results", nargs=-1, required=True, type=INPUT)
@flag(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Where to write the whole."
)
@verbosity_options
def command(results: tuple[Path, ...], out: Path) -> None:
    """Join RESULTS into one file. No purchase is dropped, and the order does not matter.

    As git's merge driver: `git config merge.pipeline.driver "pipeline merge %A %B --out %A"`.
    """
    merge_files(results, out)
    if not verbosity().quiet:
        say(f"{printable(str(out))}: {len(results)} files joined")

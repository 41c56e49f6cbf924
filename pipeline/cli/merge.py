"""`pipeline merge`: joins results manifests, as git's merge driver too."""

from pathlib import Path

import click

from pipeline import __version__
from pipeline.cli.options import INPUT, flag, verbosity, verbosity_options
from pipeline.cli.terminal import say
from pipeline.errors import InvalidInput, Unfinished, printable
from pipeline.results.file import read, write
from pipeline.results.merge import merged


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
    files = []
    for path in results:
        file = read(path, str(path))
        if file is None:
            raise InvalidInput(f"{path}: there is no such file")
        files.append(file)
    document = merged(files, f"pipeline {__version__}")
    try:
        write(out, document, None)
    except OSError as error:
        raise Unfinished(f"{out}: cannot be written: {error.strerror}") from error
    if not verbosity().quiet:
        say(f"{printable(str(out))}: {len(files)} files joined")

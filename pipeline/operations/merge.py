"""Joins results manifests, without the manifest or the state of their campaign."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import InvalidInput, Unfinished
from pipeline.operations.workspace import TOOL
from pipeline.results.file import read, write
from pipeline.results.merge import merge_results


def merge_files(paths: Sequence[Path], out: Path) -> None:
    """Join the results manifests at `paths` into one at `out`. No purchase is dropped; the order is nothing.

    Raises:
        InvalidInput: one is missing or wrong, or they are not of one campaign.
        Unfinished: `out` cannot be written.
    """
    files = []
    for path in paths:
        file = read(path, str(path))
        if file is None:
            raise InvalidInput(f"{path}: there is no such file")
        files.append(file)
    try:
        write(out, merge_results(files, TOOL), None)
    except OSError as error:
        raise Unfinished(f"{out}: cannot be written: {error.strerror}") from error

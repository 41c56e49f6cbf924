"""Joins results manifests, without the manifest or the state of their campaign."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import InvalidInput, Unfinished
from pipeline.jobs import Json
from pipeline.operations.workspace import TOOL
from pipeline.results.file import read, write
from pipeline.results.merge import merge_results


def merge_files(paths: Sequence[Path], out: Path) -> dict[str, Json]:
    """Join the results manifests at `paths` into one at `out`. No purchase is dropped; the order is nothing.

    Returns whose results they are, how many purchases there are, and their summary.

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
    merged = merge_results(files, TOOL)
    try:
        write(out, merged, None)
    except OSError as error:
        raise Unfinished(f"{out}: cannot be written: {error.strerror}") from error
    purchases = merged["purchases"]
    number = len(purchases) if isinstance(purchases, list) else 0
    return {"campaign": merged["campaign"], "purchases": number, "summary": merged["summary"]}

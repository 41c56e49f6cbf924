"""Joins results manifests, without the manifest or the state of their campaign."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import InvalidInput, Problem, Unfinished
from pipeline.jobs import Json
from pipeline.operations.workspace import TOOL
from pipeline.planning.shards import Shard, is_whole
from pipeline.results.file import read, write
from pipeline.results.merge import merge_results
from pipeline.schemes import part_named

_MOST_PROBLEMS = 100


def merge_files(paths: Sequence[Path], out: Path) -> dict[str, Json]:
    """Join the results manifests at `paths` into one at `out`. No purchase is dropped; the order is nothing.

    Those of shards are joined where all of a split are there. Where `out` is the file of one shard, copies of it are.

    Returns whose results they are, how many purchases there are, and their summary.

    Raises:
        InvalidInput: one is missing or wrong, they are not of one campaign, or not all the shards of one split.
        Unfinished: `out` cannot be written.
    """
    files = []
    for path in paths:
        file = read(path, str(path))
        if file is None:
            raise InvalidInput(f"{path}: there is no such file")
        files.append(file)
    shard = files[0].shard
    if shard is None or part_named(out) != shard.suffix or any(file.shard != shard for file in files):
        shard = None
        _assert_every_shard([(str(path), file.shard) for path, file in zip(paths, files, strict=True)])
    merged = merge_results(files, TOOL, shard)
    try:
        write(out, merged, None)
    except OSError as error:
        raise Unfinished(f"{out}: cannot be written: {error.strerror}") from error
    purchases = merged["purchases"]
    number = len(purchases) if isinstance(purchases, list) else 0
    return {"campaign": merged["campaign"], "purchases": number, "summary": merged["summary"]}


def _assert_every_shard(given: Sequence[tuple[str, Shard | None]]) -> None:
    """Refuse shards of which one is missing or given twice, or of different splits; every problem is reported."""
    shards = [(path, shard) for path, shard in given if shard is not None]
    if not shards or is_whole([shard for _, shard in shards]):
        return
    first = shards[0][1]
    problems, seen = [], dict[int, str]()
    for path, shard in shards:
        if (shard.count, shard.by) != (first.count, first.by):
            problems.append(
                f"{path}: shard {shard} by {shard.by}, and {shards[0][0]} is shard {first} by {first.by}"
            )
        elif shard.index in seen:
            problems.append(f"{path}: shard {shard}, and so is {seen[shard.index]}")
        else:
            seen[shard.index] = path
    problems += [
        f"shard {index}/{first.count} is missing" for index in range(1, first.count + 1) if index not in seen
    ]
    raise InvalidInput([Problem(each) for each in problems[:_MOST_PROBLEMS]])

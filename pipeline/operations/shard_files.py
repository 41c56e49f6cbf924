"""The records of shards, which lie beside those of the whole campaign: `<name>.results.2-of-8.json`."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.planning.shards import Shard


def of_shard(path: Path, shard: Shard | None) -> Path:
    """Where a shard keeps what a run of the whole campaign keeps at `path`."""
    return path if shard is None else path.with_name(f"{path.stem}.{shard.suffix}{path.suffix}")


def all_beside(path: Path) -> Iterator[Path]:
    """What lies at `path` and beside it for any shard of any split, as far as it is there."""
    name = re.compile(rf"{re.escape(path.stem)}(\.[1-9]\d*-of-[1-9]\d*)?{re.escape(path.suffix)}")
    if path.parent.is_dir():
        yield from sorted(each for each in path.parent.iterdir() if name.fullmatch(each.name))


def shard_named(path: Path) -> str | None:
    """The part, as in `2-of-8`, that the name of a file says it tells of; None where it says none."""
    found = re.fullmatch(r".*\.([1-9]\d*-of-[1-9]\d*)", path.stem)
    return None if found is None else found[1]

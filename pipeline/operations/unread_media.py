"""Reads media facts that the results lack, from files on this machine: the extra or the file was missing before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.files import write_atomically
from pipeline.media.facts import RULE, UNREADABLE, MediaMap, as_json
from pipeline.media.optional import facts_reader, read_facts
from pipeline.paths import status_at

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.schemes import OutputLocation
    from pipeline.state.store import PlacedFile

# How many files are read in parallel, and how many between two checks whether to continue.
_AT_ONCE = 8
_BATCH = 64


def read_missing(
    placed: Iterable[PlacedFile],
    folder: OutputLocation,
    known: Collection[str],
    cache: Path,
    read: MediaMap = MappingProxyType({}),
    may_go_on: Callable[[], bool] = lambda: True,
) -> dict[str, Mapping[str, Json]]:
    """By SHA-256, the media facts of the `placed` files that are not `known` and are unchanged in `folder`.

    `read` has files that were tried already, with empty entries for unreadable ones. Unreadable files are recorded in
    `cache`, so that later commands skip them. The reader is loaded only if there is something to read.
    """
    if not isinstance(folder, Path):
        return {}  # files for an object store are read when they are downloaded, and not fetched again for this
    unread = {each.sha256: each for each in placed if each.sha256 not in known and each.sha256 not in read}
    failed = {digest for digest, entry in read.items() if not entry}
    if not unread and not failed:
        return {}
    before = _unreadable(cache)
    files = {
        digest: folder / each.path
        for digest, each in sorted(unread.items())
        if digest not in before and _is_untouched(folder / each.path, each)
    }
    found = dict(_read(files, may_go_on)) if files and facts_reader() is not None else {}
    failed |= {digest for digest, entry in found.items() if not entry}
    if failed - before:
        _remember(cache, before | failed)
    return {digest: entry for digest, entry in found.items() if entry}


def _is_untouched(path: Path, placed: PlacedFile) -> bool:
    status = status_at(path)
    if status is None:
        return False
    return S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (placed.bytes, placed.mtime_ns)


def _read(
    files: Mapping[str, Path], may_go_on: Callable[[], bool]
) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Each hash with the media facts of the file, empty if it cannot be read."""
    left = iter(files.items())
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        while may_go_on() and (batch := dict(islice(left, _BATCH))):
            for digest, found in zip(batch, pool.map(read_facts, batch.values()), strict=True):
                yield digest, as_json(found or UNREADABLE)


def _unreadable(cache: Path) -> set[str]:
    """The SHA-256 of files that the current version of the reader could not read."""
    try:
        kept = json.loads((cache / "unreadable.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(kept, dict) or kept.get("rule") != RULE or not isinstance(kept.get("files"), list):
        return set()
    return {each for each in kept["files"] if isinstance(each, str)}


def _remember(cache: Path, unreadable: Collection[str]) -> None:
    # The cache only saves time, so failures do not matter.
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        (cache / ".gitignore").write_bytes(b"*\n")
        kept: dict[str, Json] = {"rule": RULE, "files": [*sorted(unreadable)]}
        write_atomically(cache / "unreadable.json", json.dumps(kept).encode())

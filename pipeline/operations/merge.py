"""Joins results manifests, or decisions files, without the manifest or the state of their campaign."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.documents.problem_list import MAX_LISTED, listed
from pipeline.errors import InvalidInput, Problem, Unfinished, UsageError, counted, printable, reason_of
from pipeline.files import read_limited
from pipeline.operations.workspace import TOOL
from pipeline.paths import follow_links
from pipeline.planning.shards import Shard, is_whole
from pipeline.results import decisions
from pipeline.results.file import LARGEST, has_conflict, is_of_rehearsal, read, write
from pipeline.results.merge import merge_results
from pipeline.results.merge_decisions import merge_decisions
from pipeline.schemes import assert_named_as, part_named

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.purchases import PurchaseId
    from pipeline.results.decisions import Decision


def merge_files(paths: Sequence[Path], out: Path) -> dict[str, Json]:
    """Join the files at `paths` into one at `out`: results manifests, or decisions files. The order does not matter.

    Of results, no purchase is dropped. Of decisions, none is either, and the last one on a purchase counts.
    Results of shards are joined only if all shards of a split are given; or, if `out` is the file of one shard, if
    all are copies of it. Returns the campaign, the number of purchases, and their summary; or the number of
    purchases with decisions.

    Raises:
        InvalidInput: one is missing or wrong, they are not of one campaign, or not all the shards of one split;
            or some are results and some are decisions.
        UsageError: `out` is something else, or is named so, or has purchases or decisions that `paths` lack.
        Unfinished: `out` cannot be written.
    """
    for path in paths:
        if not os.path.lexists(path):
            raise _no_such_file(path)
    decided = [path for path in paths if decisions.are_in(path)]
    if not decided:
        return _merge_results(paths, out)
    if others := [path for path in paths if path not in decided]:
        raise InvalidInput(
            f"{printable(str(decided[0]))} has decisions, and {printable(str(others[0]))} has none: "
            "results are joined with results, decisions with decisions"
        )
    return _merge_decisions(paths, out)


def _no_such_file(path: Path) -> InvalidInput:
    return InvalidInput(f"{path}: there is no such file")


def _merge_decisions(paths: Sequence[Path], out: Path) -> dict[str, Json]:
    merged = merge_decisions([decisions.read(path, str(path)) for path in paths])
    try:
        with decisions.alone(out):
            _assert_no_decision_is_lost(out, merged)
            decisions.write(out, str(out), merged)
    except ValueError as error:
        raise UsageError(f"{printable(str(out))}: is not written: {error}") from error
    except OSError as error:
        raise Unfinished(f"{out}: cannot be written: {error.strerror}") from error
    return {"decisions": len({each.purchase for each in merged})}


def _assert_no_decision_is_lost(out: Path, merged: Sequence[Decision]) -> None:
    """Refuse to overwrite anything but decisions that are all in `merged`, or in which git left conflict markers."""
    if not os.path.lexists(out):
        assert_named_as(out, "decisions")
        return
    shown = printable(str(out))
    try:
        content = read_limited(follow_links(out), LARGEST)
        if not content.strip() or decisions.have_conflict(content):
            return
        before = decisions.read(out, str(out))
    except InvalidInput as error:
        raise UsageError(
            f"{shown}: not a decisions file, so it is not overwritten; choose another file"
        ) from error
    if merge_decisions([merged, before]) != merged:
        raise UsageError(
            f"{shown}: it has decisions that none of the given files has; pass it too, so that nothing is lost"
        )


def _merge_results(paths: Sequence[Path], out: Path) -> dict[str, Json]:
    files = []
    for path in paths:
        file = read(path, str(path))
        if file is None:
            raise _no_such_file(path)
        files.append(replace(file, emulated=is_of_rehearsal(file, path)))
    shard = files[0].shard
    if shard is None or part_named(out) != shard.suffix or any(file.shard != shard for file in files):
        shard = None
        _assert_every_shard([(str(path), file.shard) for path, file in zip(paths, files, strict=True)])
    merged = merge_results(files, TOOL, shard)
    _assert_nothing_is_lost(
        out, str(merged["campaign"]), {each for file in files for each in file.records.purchases}
    )
    try:
        write(out, merged, None)
    except OSError as error:
        raise Unfinished(f"{out}: cannot be written: {error.strerror}") from error
    purchases = merged["purchases"]
    number = len(purchases) if isinstance(purchases, list) else 0
    return {"campaign": merged["campaign"], "purchases": number, "summary": merged["summary"]}


def _assert_every_shard(given: Sequence[tuple[str, Shard | None]]) -> None:
    """Refuse shards of different splits, and missing or repeated ones; every problem is reported."""
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
    raise InvalidInput(listed([Problem(each) for each in problems[:MAX_LISTED]], len(problems)))


def _assert_nothing_is_lost(out: Path, campaign: str, purchases: Collection[PurchaseId]) -> None:
    """Refuse to overwrite anything but results of this campaign whose purchases are all in `purchases`.

    Results with git's conflict markers may be overwritten: nothing can read them, and this replaces them.
    """
    if not os.path.lexists(out):
        assert_named_as(out, "results")
        return
    try:
        content = read_limited(follow_links(out), LARGEST)
        if not content.strip():
            return
        before = read(out, str(out))
    except InvalidInput:
        if has_conflict(content, campaign):
            return
        before = None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{printable(str(out))}: cannot be read, so it is not overwritten: {reason_of(error)}"
        ) from error
    if before is None or before.campaign != campaign:
        raise UsageError(
            f"{printable(str(out))}: not the results of '{campaign}', so it is not overwritten; choose another file"
        )
    if lost := before.records.purchases.keys() - set(purchases):
        raise UsageError(
            f"{printable(str(out))}: it has {counted(len(lost), 'purchase')} that none of the given files has; "
            "pass it too, so that nothing is lost"
        )

"""Refuses results and decisions in which git has an unresolved conflict, with or without its markers in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, Position, Problem
from pipeline.operations.shown_paths import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.operations.git import GitIndex

_UNMERGED = (
    "an unresolved git merge conflict, so this may be one side alone, and what only the other side has would be "
    "bought again; join both sides with `pipeline merge OURS THEIRS --out FILE`, then `git add` the file "
    "(see docs/how-to/merge.md#after-a-conflict)"
)


class RecordsUnmerged(InvalidInput):
    """Records are in an unresolved conflict; the manifest may be valid."""


def refuse_unmerged(records: Iterable[Path], index: GitIndex) -> None:
    """Check that none of the `records` is unmerged in git's `index`.

    A merge driver that fails, or `git checkout --ours`, leaves one side whole: nothing in the file hints at the
    other.

    Raises:
        RecordsUnmerged: some are.
    """
    unmerged = [each for each in records if any(entry.is_unmerged for entry in index.entries(each) or ())]
    if unmerged:
        raise RecordsUnmerged([Problem(_UNMERGED, Position(shown_path(each), 1, 1)) for each in unmerged])

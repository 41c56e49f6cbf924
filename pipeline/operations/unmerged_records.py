"""Refuses results and decisions in which git has an unresolved conflict, with or without its markers in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, printable
from pipeline.operations.shown_paths import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.operations.git import GitIndex

_MAX_NAMED = 5


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
        named = " and ".join(printable(shown_path(each)) for each in unmerged[:_MAX_NAMED])
        more = f" and {len(unmerged) - _MAX_NAMED:,} more" if len(unmerged) > _MAX_NAMED else ""
        raise RecordsUnmerged(
            f"{named}{more}: an unresolved git merge conflict, so this may be one side alone, and what only the "
            "other side has would be bought again; `pipeline merge OURS THEIRS --out FILE` joins both, and `git add` "
            "ends the conflict (see docs/how-to/merge.md#after-a-conflict)"
        )

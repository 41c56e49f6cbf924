"""Approvals that results show and no decisions file here has: without them, approved takes would be bought again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, counted, printable
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Verdict

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.workspace import Workspace
    from pipeline.results.file import ResultsFile

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class LostApproval:
    """The job of an approved purchase, and the name of the results manifest that shows the approval."""

    key: JobKey
    shown_by: str


# By approved purchase.
LostApprovals = Mapping[PurchaseId, LostApproval]


def lost_approvals(files: Iterable[ResultsFile], decided: Collection[PurchaseId]) -> LostApprovals:
    """The approved purchases in the results `files` on which nothing is `decided`.

    Approvals are only taken back by another decision, so these were not: the decisions file was not brought along.
    """
    return {
        row["purchase"]: LostApproval(row["key"], file.name)
        for file in files
        for row in file.jobs
        if row.get("decision") == Verdict.APPROVED and "purchase" in row and row["purchase"] not in decided
    }


def jobs_of(lost: LostApprovals) -> dict[PurchaseId, JobKey]:
    """By purchase whose approval is lost, its job."""
    return {purchase_id: each.key for purchase_id, each in lost.items()}


def lost_message(workspace: Workspace, lost: LostApprovals) -> str:
    """What is missing, and how to bring it back or to do without it."""
    names = sorted({each.shown_by for each in lost.values()})
    files = " and ".join(printable(each) for each in names[:_MAX_NAMED])
    more_files = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    show = "shows" if len(names) == 1 else "show"
    named = ", ".join(
        f"{printable(each.key)} ({purchase_id})" for purchase_id, each in [*lost.items()][:_MAX_NAMED]
    )
    more = f", and {len(lost) - _MAX_NAMED:,} more" if len(lost) > _MAX_NAMED else ""
    return (
        f"{workspace.decisions_name}: lacks {counted(len(lost), 'approval')} that {files}{more_files} {show}: "
        f"{named}{more}. Without them, these takes could be bought again. Bring the file back, from git or from "
        f"under the campaign's earlier name; or take an approval back with `pipeline undecide {workspace.target} "
        f"{next(iter(lost))}` (see docs/reference/errors.md#missing-decisions)"
    )


def assert_no_approval_is_lost(workspace: Workspace, lost: LostApprovals) -> None:
    """Refuse what buys, deletes or writes results: those are the last sign of the approvals that are `lost`.

    Raises:
        InvalidInput: any is lost.
    """
    if lost:
        raise InvalidInput(lost_message(workspace, lost))

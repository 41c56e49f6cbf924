"""Approvals that results show and no decisions file here has: without them, approved takes would be bought again."""

from collections.abc import Collection, Iterable, Mapping

from pipeline.errors import InvalidInput, counted, printable
from pipeline.jobs import JobKey
from pipeline.operations.workspace import Workspace
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Verdict
from pipeline.results.file import ResultsFile

_MAX_NAMED = 5


def lost_approvals(files: Iterable[ResultsFile], decided: Collection[PurchaseId]) -> dict[PurchaseId, JobKey]:
    """The approved purchases in the results `files` on which nothing is `decided`, and the job of each.

    Approvals are only taken back by another decision, so these were not: the decisions file was not brought along.
    """
    return {
        row["purchase"]: row["key"]
        for file in files
        for row in file.jobs
        if row.get("decision") == Verdict.APPROVED and "purchase" in row and row["purchase"] not in decided
    }


def lost_message(workspace: Workspace, lost: Mapping[PurchaseId, JobKey]) -> str:
    """What is missing, and how to bring it back or to do without it."""
    named = ", ".join(f"{printable(key)} ({each})" for each, key in [*lost.items()][:_MAX_NAMED])
    more = f", and {len(lost) - _MAX_NAMED:,} more" if len(lost) > _MAX_NAMED else ""
    return (
        f"{workspace.decisions_name}: lacks {counted(len(lost), 'approval')} that {workspace.results_name} shows: "
        f"{named}{more}. Without them, these takes could be bought again. Bring the file back, from git or from "
        f"under the campaign's earlier name; or take an approval back with `pipeline undecide {workspace.target} "
        f"{next(iter(lost))}` (see docs/reference/errors.md#missing-decisions)"
    )


def assert_no_approval_is_lost(workspace: Workspace, lost: Mapping[PurchaseId, JobKey]) -> None:
    """Refuse what buys, deletes or writes results: those are the last sign of the approvals that are `lost`.

    Raises:
        InvalidInput: any is lost.
    """
    if lost:
        raise InvalidInput(lost_message(workspace, lost))

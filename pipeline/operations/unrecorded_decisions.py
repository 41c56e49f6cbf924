"""Decisions on purchases that no record here has: their results were not brought along, so they are bought again.

The mirror of approvals that only results show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, Problem, counted, printable
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Decision, Verdict
from pipeline.results.file import read

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.plan import Plan

_MAX_NAMED = 5
# Only what has an outcome is approved or sent back, and that stays in the records. What was rejected may have turned
# out void since, and then results have it no longer.
_OF_RECORDED = frozenset({Verdict.APPROVED, Verdict.REDO})

# By purchase.
UnrecordedDecisions = Mapping[PurchaseId, Decision]


def unrecorded_decisions(
    workspace: Workspace, decided: UnrecordedDecisions, known: Collection[PurchaseId]
) -> UnrecordedDecisions:
    """Those of the decisions in force whose purchase is not among the `known` ones, and must have been recorded."""
    found = {
        purchase_id: each
        for purchase_id, each in decided.items()
        if each.decision in _OF_RECORDED and purchase_id not in known
    }
    if not found or not has_records_of_its_own(workspace):
        return found
    beside = _known_beside_the_manifest(workspace)
    return {purchase_id: each for purchase_id, each in found.items() if purchase_id not in beside}


def has_records_of_its_own(workspace: Workspace) -> bool:
    """Whether state and results are the operator's choice, as in a trial run: decisions stay beside the manifest."""
    return {"--state", "--results"} <= set(workspace.record_flags)


def _known_beside_the_manifest(workspace: Workspace) -> Collection[PurchaseId]:
    path = workspace.campaign.manifest.with_name(f"{workspace.campaign.name}.results.json")
    try:
        results = read(path, path.name)
    except InvalidInput:
        return ()  # reported by commands that use it
    return () if results is None else results.records.purchases.keys()


def unrecorded_message(workspace: Workspace, unrecorded: UnrecordedDecisions) -> str:
    """What is missing, and how to bring it along or to do without it."""
    named = ", ".join(
        f"{printable(each.key)} ({purchase_id})" for purchase_id, each in [*unrecorded.items()][:_MAX_NAMED]
    )
    more = f", and {len(unrecorded) - _MAX_NAMED:,} more" if len(unrecorded) > _MAX_NAMED else ""
    is_one = len(unrecorded) == 1
    its, it, decision = (
        ("its record", "it", "the decision") if is_one else ("their records", "them", "a decision")
    )
    return (
        f"{workspace.decisions_name}: has decisions on {counted(len(unrecorded), 'purchase')} that neither "
        f"{printable(workspace.results_name)} nor the state has: {named}{more}. Without {its}, the same could be "
        f"bought again. Bring the results that have {it}, from git or from whoever decided; or take {decision} back "
        f"with `pipeline undecide {workspace.target} {next(iter(unrecorded))}` "
        "(see docs/reference/errors.md#missing-records)"
    )


def unrecorded_warnings(workspace: Workspace, unrecorded: UnrecordedDecisions) -> tuple[Problem, ...]:
    """What a command that only reads says of them; none if there are none."""
    if not unrecorded:
        return ()
    return (Problem(unrecorded_message(workspace, unrecorded), severity="warning"),)


def assert_nothing_approved_is_bought(
    workspace: Workspace,
    unrecorded: UnrecordedDecisions,
    plan: Plan,
    replaced: Collection[JobKey] = (),
) -> None:
    """Refuse a `plan` that buys a job of which a purchase is approved that is not recorded here.

    Jobs that are `replaced` were asked for. Nothing is refused with records of their own, which need not know what
    other records have.

    Raises:
        InvalidInput: it does.
    """
    if not unrecorded or has_records_of_its_own(workspace):
        return
    bought = {entry.key for entry in plan.buying} - set(replaced)
    missing = {
        purchase_id: each
        for purchase_id, each in unrecorded.items()
        if each.decision is Verdict.APPROVED and each.key in bought
    }
    if missing:
        raise InvalidInput(unrecorded_message(workspace, missing))

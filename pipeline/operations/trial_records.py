"""Tells the records of a trial from the campaign's: its decisions file is for purchases of the campaign only."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline.errors import UsageError, printable
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.unrecorded_decisions import has_records_of_its_own
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state import look

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace
    from pipeline.results.decisions import Decision

_OF_NO_USE = frozenset({Status.VOID, Status.FAILED})


def assert_not_of_a_trial(
    workspace: Workspace, made: Iterable[Decision], recorded: Collection[PurchaseId]
) -> None:
    """Check that no decision in `made` is on a purchase of a trial; `recorded` are the purchases of `workspace`.

    A trial has a state and results of its own, while the campaign's lie beside the manifest and have what the trial
    lacks. Records that have all of that were moved elsewhere: they are the campaign's. What is taken back is gone,
    and what failed is of no use to the campaign: it may be left from a first attempt.

    Raises:
        UsageError: one is.
    """
    said = [each for each in made if not each.withdraws]
    if not said or not has_records_of_its_own(workspace):
        return
    default = workspace.with_default_records()
    known = _purchases_of(default)
    if all(each.status in _OF_NO_USE or each.id in recorded for each in known.values()):
        return
    foreign = next((each for each in said if each.purchase not in known), None)
    if foreign is not None:
        raise UsageError(
            f"{workspace.results_name}: these are not the campaign's records, which lie beside its manifest, so no "
            f"decision on {printable(foreign.key)} ({foreign.purchase}) is written to {workspace.decisions_name}. "
            f"If the campaign's records are to be here from now on, join those beside the manifest into them: "
            f"{_merge(workspace, default)}. For a trial in which takes are decided, copy the campaign to a folder of "
            "its own, without its records"
        )


def _merge(workspace: Workspace, default: Workspace) -> str:
    """The commands that join the records beside the manifest into those in use."""
    beside, used = default.results_name, workspace.results_name
    merge = f"`{shlex.join(('pipeline', 'merge', beside, used, '--out', used))}`"
    if default.results.exists():
        return merge
    manifest, state = map(shown_path, (default.campaign.manifest, default.whole_state))
    collect = shlex.join(("pipeline", "collect", manifest, "--state", state, "--results", beside))
    return f"write {beside} with `{collect}`, then {merge}"


def _purchases_of(workspace: Workspace) -> Mapping[PurchaseId, Purchase]:
    """The purchases in state and results, if there are any on this machine."""
    has_results = any(map(os.path.lexists, (workspace.results, *workspace.other_results)))
    if not has_results and not look.parts(workspace.whole_state, workspace.campaign.name):
        return {}
    with open_campaign(workspace, writable=False) as state:
        return state.records.purchases

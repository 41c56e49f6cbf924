"""Finds states in which a campaign was recorded under an earlier name, when its own knows no purchase."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, counted
from pipeline.operations.clock import now, run_id
from pipeline.operations.shown_paths import shown_path
from pipeline.paths import real_path
from pipeline.purchases import PurchaseId, Status
from pipeline.state import look
from pipeline.state.opening import open_store

if TYPE_CHECKING:
    from pipeline.operations.workspace import Workspace

# States that are looked at: each takes a fraction of a millisecond, and a folder may be full of other databases.
_MOST = 1000


def assert_no_state_of_an_earlier_name(workspace: Workspace, known: Collection[PurchaseId]) -> None:
    """Check that no state beside this one has purchases of this manifest, under another name, that are not `known`.

    A run that was killed leaves purchases that only its state knows. Under a new name, all of them would be bought
    again. A copy of the manifest is another one, and so never concerned.

    Raises:
        InvalidInput: there is one, with how to take its purchases along.
    """
    campaign = workspace.campaign
    for path, name in _states_of_other_names(workspace):
        with closing(
            open_store(path, campaign=None, manifest=None, run=run_id(), writable=False, now=now())
        ) as store:
            purchases = store.records().purchases.values()
        unknown = [each for each in purchases if each.status is not Status.VOID and each.id not in known]
        if not unknown and look.held_by(path, name) is None:
            continue
        has = f"has {counted(len(unknown), 'purchase')} that would be bought again"
        why = has if unknown else "is held by a run, which may buy the same"
        raise InvalidInput(
            f"{shown_path(path)}: the state of '{name}', as {campaign.manifest.name} was called before, {why}. "
            f"Rename it back and run `pipeline collect {workspace.target}`; then rename it together with its results "
            "(see docs/reference/errors.md#state-of-an-earlier-name)"
        )


def _states_of_other_names(workspace: Workspace) -> Iterator[tuple[Path, str]]:
    """The state files beside this campaign's that name its manifest but another campaign, and that campaign."""
    if not isinstance(workspace.whole_state, Path) or workspace.emulated:
        return
    campaign = workspace.campaign
    for path in islice(sorted(workspace.whole_state.parent.glob("*.db")), _MOST):
        if ".emulated." in path.name:
            continue
        found = look.identity(path)
        if found is None or found.campaign == campaign.name:
            continue  # one that is damaged is reported when the campaign that it belongs to is opened
        if real_path(path.parent / found.manifest) == campaign.manifest:
            yield path, found.campaign

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
from pipeline.purchases import UNFINISHED, PurchaseId, Status
from pipeline.state import look
from pipeline.state.opening import open_store

if TYPE_CHECKING:
    from pipeline.jobs import Job
    from pipeline.operations.workspace import Workspace
    from pipeline.state.state_file import Identity

# States that are looked at: each takes a fraction of a millisecond, and a folder may be full of other databases.
_MOST = 1000
_BOUGHT = UNFINISHED | {Status.ATTENTION, Status.DONE}


def assert_no_state_of_an_earlier_name(
    workspace: Workspace, jobs: Collection[Job], known: Collection[PurchaseId]
) -> None:
    """Check that no state beside this one, of another name, has what the jobs ask for and is not `known`.

    A run that was killed leaves purchases that only its state knows. Under a new name, all of them would be bought
    again. Only a state counts that names this manifest, or one that is gone: a copy of the manifest is another one.
    Of this manifest, also what is not settled counts, and a run that goes on.

    Raises:
        InvalidInput: there is one, with how to take its purchases along.
    """
    asked = {fingerprint for job in jobs for fingerprint in job.fingerprints}
    campaign = workspace.campaign
    for path, other in _states_of_other_names(workspace):
        with closing(
            open_store(path, campaign=None, manifest=None, run=run_id(), writable=False, now=now())
        ) as store:
            purchases = store.records().purchases.values()
        is_of_this = real_path(path.parent / other.manifest) == campaign.manifest
        unknown = [
            each
            for each in purchases
            if each.status in _BOUGHT
            and not each.deleted
            and each.id not in known
            and (each.fingerprint in asked or (is_of_this and each.status is not Status.DONE))
        ]
        is_held = is_of_this and look.held_by(path, other.campaign) is not None
        if not unknown and not is_held:
            continue
        has = f"has {counted(len(unknown), 'purchase')} that only it knows"
        why = has if unknown else "is held by a run, which may buy the same"
        raise InvalidInput(
            f"{shown_path(path)}: the state of '{other.campaign}', as this campaign seems to have been called, "
            f"{why}. Rename it back and `pipeline collect` it; then rename it together with its results. If that is "
            "another campaign, move its state to where its manifest is now "
            "(see docs/reference/errors.md#state-of-an-earlier-name)"
        )


def _states_of_other_names(workspace: Workspace) -> Iterator[tuple[Path, Identity]]:
    """The state files beside this campaign's of another campaign, whose manifest is this one or is gone."""
    if not isinstance(workspace.whole_state, Path) or workspace.emulated:
        return
    campaign = workspace.campaign
    for path in islice(sorted(workspace.whole_state.parent.glob("*.db")), _MOST):
        if ".emulated." in path.name:
            continue
        found = look.identity(path)
        if found is None or found.campaign == campaign.name:
            continue  # one that is damaged is reported when the campaign that it belongs to is opened
        manifest = real_path(path.parent / found.manifest)
        if manifest == campaign.manifest or not manifest.exists():
            yield path, found

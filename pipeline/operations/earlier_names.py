"""Finds states of a campaign under an earlier name, or left in an earlier folder, if its own knows no purchase."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, counted
from pipeline.operations.clock import now, run_id
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.workspace import STATE_FOLDER
from pipeline.paths import real_path
from pipeline.purchases import UNFINISHED, Purchase, PurchaseId, Status
from pipeline.state import look
from pipeline.state.opening import open_store

if TYPE_CHECKING:
    from pipeline.jobs import Job
    from pipeline.operations.workspace import Workspace
    from pipeline.state.sql.store import SqlStore
    from pipeline.state.state_file import Identity
    from pipeline.state.store import PlacedFile

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
        InvalidInput: there is one.
    """
    for path, other in _states_of_other_names(workspace):
        is_of_this = real_path(path.parent / other.manifest) == workspace.campaign.manifest
        if why := _what_it_alone_has(path, other, jobs, known, is_of_this=is_of_this):
            raise InvalidInput(
                f"{shown_path(path)}: the state of '{other.campaign}', as this campaign seems to have been called, "
                f"{why}. Rename it back and `pipeline collect` it; then rename it together with its results. If that "
                "is another campaign, move its state to where its manifest is now "
                "(see docs/reference/errors.md#state-of-an-earlier-name)"
            )


@dataclass(frozen=True, slots=True)
class KnownBefore:
    """What states of earlier names know of purchases: which they recorded the intent of, and their placed files.

    `names` are the earlier names.
    """

    names: tuple[str, ...] = ()
    recorded: frozenset[PurchaseId] = frozenset()
    placed: tuple[PlacedFile, ...] = ()


def known_before(workspace: Workspace, adopted: Mapping[PurchaseId, Purchase]) -> KnownBefore:
    """What states of earlier names of this campaign know of the purchases that were `adopted` from its results.

    The results may be a stranger's: what one of these states recorded is the campaign's own only with the workflow
    that it recorded.
    """
    found = KnownBefore()
    for path, other in _states_of_other_names(workspace) if adopted else ():
        with _opened(path) as store:
            known, recorded = store.records().purchases, store.recorded()
            same = {
                each.id
                for each in adopted.values()
                if each.id in known and known[each.id].workflow_id == each.workflow_id
            }
            found = KnownBefore(
                names=(*found.names, other.campaign),
                recorded=found.recorded | (recorded & same),
                placed=(*found.placed, *(each for each in store.files() if each.purchase in same)),
            )
    return found


def _opened(path: Path) -> closing[SqlStore]:
    return closing(open_store(path, campaign=None, manifest=None, run=run_id(), writable=False, now=now()))


def assert_no_state_left_behind(
    workspace: Workspace, jobs: Collection[Job], known: Collection[PurchaseId]
) -> None:
    """Check that no state of this campaign in a folder above has what is not `known`: git moves no state.

    Only a state counts whose manifest is gone: otherwise it is that of a copy.

    Raises:
        InvalidInput: there is one.
    """
    for path, other in _states_left_behind(workspace):
        if why := _what_it_alone_has(path, other, jobs, known, is_of_this=True):
            folder = shown_path(workspace.campaign.manifest.parent / path.parent.name)
            raise InvalidInput(
                f"{shown_path(path)}: the state of this campaign, left behind when the campaign was moved, {why}. "
                f"Move it to {folder}, with the other files there whose names begin with '{other.campaign}.'; or, if "
                "that is another campaign, to where its manifest is now "
                "(see docs/reference/errors.md#state-left-behind)"
            )


def _what_it_alone_has(
    path: Path,
    state: Identity,
    jobs: Collection[Job],
    known: Collection[PurchaseId],
    *,
    is_of_this: bool,
) -> str | None:
    """Why the state at `path` must not be ignored, in words; None if it has nothing that is not `known`."""
    asked = {fingerprint for job in jobs for fingerprint in job.fingerprints}
    with _opened(path) as store:
        purchases = store.records().purchases.values()
    unknown = [
        each
        for each in purchases
        if each.status in _BOUGHT
        and not each.deleted
        and each.id not in known
        and (each.fingerprint in asked or (is_of_this and each.status is not Status.DONE))
    ]
    if unknown:
        return f"has {counted(len(unknown), 'purchase')} that only it knows"
    if is_of_this and look.held_by(path, state.campaign) is not None:
        return "is held by a run, which may buy the same"
    return None


def _states_of_other_names(workspace: Workspace) -> Iterator[tuple[Path, Identity]]:
    """The state files beside this campaign's of another campaign, whose manifest is this one or is gone."""
    if not isinstance(workspace.whole_state, Path) or workspace.emulated:
        return
    campaign = workspace.campaign
    for path, found in _states_in(workspace.whole_state.parent):
        manifest = real_path(path.parent / found.manifest)
        if found.campaign != campaign.name and (manifest == campaign.manifest or not manifest.exists()):
            yield path, found


def _states_left_behind(workspace: Workspace) -> Iterator[tuple[Path, Identity]]:
    """The state files of this campaign in the folders of the project above it, whose manifest is gone."""
    campaign = workspace.campaign
    above = campaign.manifest.parent.relative_to(campaign.root).parents
    if workspace.emulated or "--state" in workspace.record_flags:
        return
    for folder in above:
        for path, found in _states_in(campaign.root / folder / STATE_FOLDER):
            is_there = real_path(path.parent / found.manifest).exists()
            if found.campaign == campaign.name and not is_there:
                yield path, found


def _states_in(folder: Path) -> Iterator[tuple[Path, Identity]]:
    """The state files in `folder`, but those of rehearsals."""
    for path in islice(sorted(folder.glob("*.db")), _MOST):
        if ".emulated." in path.name:
            continue
        found = look.identity(path)
        # One that is damaged is reported when the campaign that it belongs to is opened.
        if found is not None:
            yield path, found

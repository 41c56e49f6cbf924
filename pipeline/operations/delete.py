"""Deletes, at the vendor and here, everything that no job needs, or everything ever bought."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.artifacts.inventory import needed
from pipeline.engine.identity import assert_own
from pipeline.errors import InvalidInput, PipelineError, Unfinished, UsageError
from pipeline.operations.clock import now
from pipeline.operations.results_publisher import republish
from pipeline.operations.selection import purchase_by_id, selected_keys, undecided_orphans
from pipeline.planning.prune import destroyable, kept_by_prune, prunable
from pipeline.planning.unneeded import unneeded_sources
from pipeline.providers.base import NotFound, Provider, VendorError
from pipeline.purchases import OUTCOME_UNKNOWN, Ownership, Purchase, PurchaseId
from pipeline.state.events import Deleted, Event, Removed
from pipeline.state.store import Change
from pipeline.state.transitions import advance

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.provider import VendorCalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """Purchases to be deleted: `new` ones, and those whose deletion was `requested` before and may not be complete.

    Whoever requested it, a person here is asked again: the mark may have come with the results of somebody else.
    `unproven` are left alone: nothing could prove that their workflows belong to them. For the `trusted`, a person
    gave their word that they do. Also left alone are the `unknown`, which may or may not have a workflow.
    Files here, by path with their hash, that no job needs: `copies` are elsewhere too, `leftovers` are of purchases
    that are known to be deleted at the vendor, such as by another machine with the same state. Left alone are, by
    expression of a selection, also the `undecided`: the records do not tell whether it matches them.
    """

    new: tuple[Purchase, ...]
    requested: tuple[Purchase, ...]
    unproven: tuple[Purchase, ...] = ()
    unknown: tuple[Purchase, ...] = ()
    trusted: frozenset[PurchaseId] = frozenset()
    copies: Mapping[str, str] = field(default_factory=dict)
    leftovers: Mapping[str, str] = field(default_factory=dict)
    undecided: Mapping[str, Sequence[Purchase]] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, str]:
        """The files to be deleted besides those of the purchases."""
        return {**self.copies, **self.leftovers}

    def __len__(self) -> int:
        return len(self.new) + len(self.requested)

    def __iter__(self) -> Iterator[Purchase]:
        yield from (*self.new, *self.requested)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleting:
    """The numbers of purchases that were `deleted`, had been deleted `before`, or `failed` to be deleted."""

    deleted: int
    before: int
    failed: int


def to_prune(
    state: CampaignState, *, replaced: bool, select: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Deletions:
    """Orphans that have ended, with `replaced` also earlier purchases; only selected ones, if there is a selection.

    Also the files here of purchases that are deleted at the vendor, and with `replaced` those that are copies of
    others and that no job needs.

    Raises:
        UsageError: an expression is invalid or matches nothing.
    """
    found, again = prunable(state.assignment, replaced=replaced), _requested_and_prunable(state)
    kept = kept_by_prune(state.assignment)
    left = _left_behind(state, [each for each in _removed_before(state) if not kept(each)])
    idle = [*again, *(each for each, _ in left)]
    keys = selected_keys(state, select, exclude, idle=idle)
    spared = [each for each in (*found, *idle) if keys is not None and each.key not in keys]
    deletions = replace(
        _deletions(state, _of_keys(found, keys), _of_keys(again, keys)),
        leftovers=_all_files(files for each, files in left if keys is None or each.key in keys),
        undecided=undecided_orphans(state, spared, (*select, *exclude)),
    )
    if not replaced:
        return deletions
    return replace(deletions, copies=_copies(state, deletions.new, keys))


def to_prune_by_name(state: CampaignState, names: Sequence[str]) -> Deletions:
    """The purchases of these ids (a unique prefix is enough), on a person's word that they are this campaign's.

    Raises:
        UsageError: there is no purchase with that id, or `prune` never deletes it.
    """
    named = [purchase_by_id(state, name) for name in names]
    requested = _requested_and_prunable(state)
    prunable_by_name = prunable(state.assignment, replaced=True, unfetched=True)
    allowed = {each.id for each in (*prunable_by_name, *requested)}
    allowed |= unneeded_sources(state.assignment, named)
    for purchase in named:
        if purchase.id not in allowed and not _is_removed(state, purchase):
            raise UsageError(
                f"{purchase.id} ({purchase.status}) cannot be pruned: that is for a purchase that has ended, serves "
                "no job, is not approved nor the last good take of a job whose successor is not done, and whose "
                "workflow and outputs nothing else uses"
            )
    ids = frozenset(each.id for each in named)
    return Deletions(
        new=tuple(each for each in named if not each.deleted),
        requested=tuple(each for each in _requested_before(state) if each.id in ids),
        trusted=ids,
        leftovers=_leftovers(state, [each for each in named if each.deleted and _is_removed(state, each)]),
    )


def to_destroy(state: CampaignState) -> Deletions:
    """Every purchase that is not known to be deleted yet, and the files here of those that are."""
    known = sorted(state.records.purchases.values(), key=lambda each: (each.key, each.age))
    return replace(
        _deletions(state, destroyable(state.assignment), _requested_before(state)),
        unknown=tuple(each for each in known if each.status in OUTCOME_UNKNOWN and not each.deleted),
        leftovers=_leftovers(state, _removed_before(state)),
    )


def _deletions(state: CampaignState, found: Sequence[Purchase], requested: Sequence[Purchase]) -> Deletions:
    ownership = state.ownership()

    def is_proven(purchase: Purchase) -> bool:
        # Without a workflow, there is nothing at the vendor that could belong to another purchase.
        return purchase.workflow_id is None or ownership.can_be_proven(purchase)

    return Deletions(
        new=tuple(filter(is_proven, found)),
        requested=tuple(filter(is_proven, requested)),
        unproven=tuple(each for each in (*found, *requested) if not is_proven(each)),
    )


def _of_keys(purchases: Sequence[Purchase], keys: Collection[JobKey] | None) -> list[Purchase]:
    return [each for each in purchases if keys is None or each.key in keys]


def _copies(
    state: CampaignState, deleted: Sequence[Purchase] = (), keys: Collection[JobKey] | None = None
) -> dict[str, str]:
    return state.outputs().inventory.spare_copies(state.assignment, [each.id for each in deleted], keys)


def _left_behind(
    state: CampaignState, removed: Sequence[Purchase]
) -> list[tuple[Purchase, Mapping[str, str]]]:
    """Those of `removed` of which files are here, with the hash of each file by path."""
    outputs, files = state.outputs(), needed(state.assignment)
    found = ((each, outputs.files_of(each, files)) for each in removed)
    return [(each, left) for each, left in found if left]


def _all_files(files: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {path: digest for each in files for path, digest in each.items()}


def _leftovers(state: CampaignState, removed: Sequence[Purchase]) -> dict[str, str]:
    return _all_files(files for _, files in _left_behind(state, removed))


def delete_files(state: CampaignState, files: Mapping[str, str]) -> None:
    """Delete those of the `files` that still are what no job needs, once the purchases are deleted.

    Raises:
        Unfinished, InvalidInput: a file cannot be deleted, or the records or results cannot be written.
    """
    if not files:
        return
    left = state.reread()
    outputs, found = left.outputs(), {**_copies(left), **_leftovers(left, _removed_before(left))}
    try:
        outputs.remove_files({path: digest for path, digest in files.items() if found.get(path) == digest})
    finally:
        left.store.index_files(*outputs.index.changes())
        # Where only files are left, another machine deleted their purchases, which the results here may not say yet.
        republish(left)


def carry_out(
    state: CampaignState,
    deletions: Deletions,
    provider: Provider,
    calls: VendorCalls,
    on_failure: Callable[[Purchase, PipelineError], None],
) -> Deleting:
    """Delete one after another; each that cannot be deleted is passed to `on_failure`.

    Raises:
        Stopped: a signal arrived; the records say what was deleted, and what was still to be deleted.
        AccountError: the vendor refused the key.
        Unfinished, InvalidInput: the records cannot be written.
    """
    state.store.commit([_change(each, Deleted()) for each in deletions.new])
    _note_files(state.reread(), deletions)
    # Before the vendor deletes anything: if this machine is lost, readers of the results alone must know of it.
    # The assignment without these says which paths are still needed.
    without = republish(state)
    purchases = [*(advance(each, Deleted()) for each in deletions.new), *deletions.requested]
    try:
        return _delete_all(without, purchases, deletions, provider, calls, on_failure)
    finally:
        # However it ended, readers of the results must know what is gone.
        republish(state)


def _note_files(state: CampaignState, purchases: Iterable[Purchase]) -> None:
    """Have the state remember where files are that only results or jobs name: the next results name them no more."""
    outputs = state.outputs()
    outputs.note_files_of(purchases)
    state.store.index_files(*outputs.index.changes())


def _delete_all(
    state: CampaignState,
    purchases: list[Purchase],
    deletions: Deletions,
    provider: Provider,
    calls: VendorCalls,
    on_failure: Callable[[Purchase, PipelineError], None],
) -> Deleting:
    outputs, files, ownership = state.outputs(), needed(state.assignment), state.ownership()
    requested = {each.id for each in deletions.requested}
    deleted = before = failed = 0
    try:
        for purchase in purchases:
            try:
                proof = None if purchase.id in deletions.trusted else ownership
                was_at_vendor = calls(partial(delete, provider, purchase, proof))
                # Before the removal is recorded: if an object store refuses it for now, the next command retries it.
                was_here = outputs.remove(purchase, files)
            except (VendorError, InvalidInput, Unfinished) as error:
                failed += 1
                on_failure(purchase, error)
                continue
            state.store.commit([_change(purchase, Removed())])
            is_old = purchase.id in requested and not (was_at_vendor or was_here)
            deleted, before = deleted + (not is_old), before + is_old
    finally:
        placed, removed = outputs.index.changes()
        state.store.index_files(placed, removed)
    return Deleting(deleted=deleted, before=before, failed=failed)


def delete(provider: Provider, purchase: Purchase, ownership: Ownership | None) -> bool:
    """Delete one workflow, once a GET has shown that it belongs to the purchase; returns whether there was one.

    A missing one counts as deleted. If `ownership` is None, a person gave their word that it does.

    Raises:
        InvalidInput: it belongs to another purchase, or nothing proves that it does not.
        VendorError, AccountError: as the provider's calls.
    """
    if purchase.workflow_id is None:
        return False
    try:
        workflow = provider.get(purchase.workflow_id)
    except NotFound:
        return False
    if ownership is not None:
        assert_own(workflow, purchase, ownership)
    provider.delete(purchase.workflow_id)
    return True


def _requested_and_prunable(state: CampaignState) -> list[Purchase]:
    kept = kept_by_prune(state.assignment)
    return [each for each in _requested_before(state) if not kept(each)]


def _requested_before(state: CampaignState) -> list[Purchase]:
    """The purchases marked as deleted whose workflow is not known to be gone, by key and age."""
    known = sorted(state.records.purchases.values(), key=lambda each: (each.key, each.age))
    marked = (each for each in known if each.deleted and each.workflow_id is not None)
    return [each for each in marked if not _is_removed(state, each)]


def _removed_before(state: CampaignState) -> list[Purchase]:
    """The purchases that are known to be deleted at the vendor, by key and age."""
    marked = (each for each in state.records.purchases.values() if each.deleted)
    return sorted(
        (each for each in marked if _is_removed(state, each)), key=lambda each: (each.key, each.age)
    )


def _is_removed(state: CampaignState, purchase: Purchase) -> bool:
    # An older version recorded only the event.
    return purchase.removed or any(event.event == "removed" for event in state.store.events(purchase.id))


def _change(purchase: Purchase, event: Event) -> Change:
    return Change(before=purchase, after=advance(purchase, event), at=now(), event=event)

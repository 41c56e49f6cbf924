"""Deletes at the vendor and here what nothing needs, or everything that was ever bought."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from pipeline.artifacts.inventory import needed
from pipeline.engine.updater import assert_bought
from pipeline.errors import InvalidInput, PipelineError
from pipeline.jobs import JobKey
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.results_publisher import publish_anew
from pipeline.operations.vendor_calls import VendorCalls
from pipeline.operations.workspace import now
from pipeline.planning.prune import destroyable, prunable
from pipeline.providers.base import NotFound, Provider, VendorError
from pipeline.purchases import Purchase
from pipeline.state.store import Change
from pipeline.state.transitions import Deleted, Event, Removed, advance


@dataclass(frozen=True, slots=True)
class Deletions:
    """Purchases to be deleted: `new` ones, and those that were `requested` before and are still at the vendor."""

    new: tuple[Purchase, ...]
    requested: tuple[Purchase, ...]

    def __len__(self) -> int:
        return len(self.new) + len(self.requested)


def to_prune(state: CampaignState, *, replaced: bool, keys: Collection[JobKey] | None) -> Deletions:
    """Orphans that have ended, with `replaced` also earlier purchases; where `keys` are given, theirs only."""
    found = prunable(state.assignment, replaced=replaced)
    return Deletions(
        tuple(each for each in found if keys is None or each.key in keys), _requested_before(state)
    )


def to_destroy(state: CampaignState) -> Deletions:
    """Everything that was ever bought and not deleted."""
    return Deletions(tuple(destroyable(state.assignment)), _requested_before(state))


def carry_out(
    state: CampaignState,
    deletions: Deletions,
    provider: Provider,
    calls: VendorCalls,
    on_failure: Callable[[Purchase, PipelineError], None],
) -> int:
    """Delete one after another; the number of those that could not be, each told to `on_failure`.

    Raises:
        Stopped: a signal came; what was deleted, and what was to be, is in the records.
        AccountError: the vendor refused the key.
        Unfinished, InvalidInput: the records cannot be written.
    """
    state.store.commit([_change(each, Deleted()) for each in deletions.new])
    purchases = [*(advance(each, Deleted()) for each in deletions.new), *deletions.requested]
    try:
        # What serves once these are gone says which paths are still needed.
        return _delete_all(state.reread(), purchases, provider, calls, on_failure)
    finally:
        # However it ended, who reads the results must know what was asked for.
        publish_anew(state)


def _delete_all(
    state: CampaignState,
    purchases: list[Purchase],
    provider: Provider,
    calls: VendorCalls,
    on_failure: Callable[[Purchase, PipelineError], None],
) -> int:
    outputs, wanted = state.outputs(), needed(state.assignment)
    failed = 0
    try:
        for purchase in purchases:
            try:
                calls(partial(delete, provider, purchase))
            except (VendorError, InvalidInput) as error:
                failed += 1
                on_failure(purchase, error)
                continue
            state.store.commit([_change(purchase, Removed())])
            outputs.remove(purchase, wanted)
    finally:
        placed, removed = outputs.index.changes()
        state.store.index_files(placed, removed)
    return failed


def delete(provider: Provider, purchase: Purchase) -> None:
    """Delete one workflow, once a GET has shown that it is the one that was bought; a missing one is deleted.

    Raises:
        InvalidInput: it is another's.
        VendorError, AccountError: as the calls of the port.
    """
    if purchase.workflow_id is None:
        return
    try:
        assert_bought(provider.get(purchase.workflow_id), purchase)
    except NotFound:
        return
    provider.delete(purchase.workflow_id)


def _requested_before(state: CampaignState) -> tuple[Purchase, ...]:
    deleted = (each for each in state.records.purchases.values() if each.deleted)
    return tuple(each for each in deleted if not _is_removed(state, each))


def _is_removed(state: CampaignState, purchase: Purchase) -> bool:
    return any(event.event == "removed" for event in state.store.events(purchase.id))


def _change(purchase: Purchase, event: Event) -> Change:
    return Change(purchase, advance(purchase, event), now(), event)

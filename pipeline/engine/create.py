"""Buys. The only module that calls `Provider.create`, as every call may cost credits."""

from typing import assert_never

from pipeline import failpoints
from pipeline.providers.base import (
    AccountRefused,
    Bought,
    CreateOutcome,
    CreateRequest,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
    Provider,
)
from pipeline.state import transitions
from pipeline.state.transitions import Accepted, Event, NothingBought, Rejected


def submit(provider: Provider, order: CreateRequest) -> CreateOutcome:
    """Send one create. The purchase it is for must be on disk as `submitting` before this is called."""
    failpoints.reach("before create")
    try:
        outcome = provider.create(order)
    except Exception as error:  # noqa: BLE001 - whatever went wrong in there, it may have been bought
        outcome = OutcomeUnknown(f"{type(error).__name__} in the provider")
    failpoints.reach("after create")
    return outcome


def settled(outcome: CreateOutcome) -> Event:
    """What an outcome means for the purchase. Whether and when the job goes again is the coordinator's."""
    match outcome:
        case Bought(workflow_id):
            return Accepted(workflow_id)
        case NotSent(reason) | Deferred(reason):
            return NothingBought(reason)
        case JobRefused(reason):
            return Rejected(reason)
        case AccountRefused(reason=reason):
            # It speaks of the account: failing the job would drop it from later runs.
            return NothingBought(reason)
        case OutcomeUnknown(reason):
            # The vendor has no idempotency key and no list call: sending it again could pay twice and
            # nobody could tell. Only a person settles it (`pipeline resolve`).
            return transitions.OutcomeUnknown(reason)
    assert_never(outcome)

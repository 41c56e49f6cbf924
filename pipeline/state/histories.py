"""Joins the histories that several states of one campaign have of a purchase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.purchases import PurchaseId
    from pipeline.state.store import LoggedEvent

# The event that a join writes; it does not tell how a purchase was made.
JOINED = "joined"


def by_purchase(events: Iterable[LoggedEvent]) -> Mapping[PurchaseId, Sequence[LoggedEvent]]:
    """The events of each purchase, in their order."""
    found: dict[PurchaseId, list[LoggedEvent]] = defaultdict(list)
    for event in events:
        found[event.purchase].append(event)
    return found


def are_joins(events: Iterable[LoggedEvent]) -> bool:
    """Whether a history has nothing but joins, or nothing at all."""
    return all(event.event == JOINED for event in events)


def join_histories(
    own: Sequence[LoggedEvent], others: Iterable[Sequence[LoggedEvent]]
) -> Sequence[LoggedEvent]:
    """The history of a purchase in all states, oldest first: the `own` one, and what each of the `others` did to it.

    A join in another state only repeats what was done elsewhere, so it is left out, unless nothing else is known.
    """
    others = list(others)
    done = [event for history in others for event in history if event.event != JOINED]
    if not done:
        return own or next((history for history in others if history), own)
    return sorted(dict.fromkeys([*done, *own]), key=lambda event: event.at)

"""Writes the history in an import: its events are put before those known here, so that they are read in order."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pipeline.purchases import PurchaseId
from pipeline.state.sql import rows, statements
from pipeline.state.sql.database import Transaction
from pipeline.state.sql.rows import Mirror
from pipeline.state.store import Imported, LoggedEvent

# The event that a join writes; it does not tell how a purchase was made.
_JOINED = "joined"


def take_over(transaction: Transaction, mirror: Mirror, imported: Imported) -> None:
    """Write the events and durations of an import that this state lacks.

    A history is imported only if all events known here are joins: any other event is this state's own, or was
    imported before.
    """
    brought = _by_purchase(each for each in imported.events if each.purchase in mirror.purchases)
    if brought:
        known = _by_purchase(map(rows.logged_event, transaction.rows(statements.EVENTS)))
        wanted = {
            purchase_id: [*past, *known.get(purchase_id, ())]
            for purchase_id, past in brought.items()
            if _are_joins(known.get(purchase_id, ())) and not _are_joins(past)
        }
        _rewrite(transaction, mirror, wanted)
    durations = {row[0] for row in transaction.rows(statements.DURATIONS)}
    new = [each for each in imported.durations.items() if each[0] not in durations]
    transaction.execute_many(statements.ADD_DURATION, new)


def _rewrite(
    transaction: Transaction, mirror: Mirror, histories: Mapping[PurchaseId, Sequence[LoggedEvent]]
) -> None:
    transaction.execute_many(statements.REMOVE_EVENTS, ((purchase_id,) for purchase_id in histories))
    written = (
        rows.event_values(event, revision)
        for history in histories.values()
        for revision, event in enumerate(history, start=1)
    )
    transaction.execute_many(statements.ADD_EVENT, written)
    revisions = {purchase_id: len(history) for purchase_id, history in histories.items()}
    transaction.execute_many(statements.SET_REVISION, ((number, each) for each, number in revisions.items()))
    mirror.revisions.update(revisions)


def _by_purchase(events: Iterable[LoggedEvent]) -> dict[PurchaseId, list[LoggedEvent]]:
    found: dict[PurchaseId, list[LoggedEvent]] = defaultdict(list)
    for event in events:
        found[event.purchase].append(event)
    return found


def _are_joins(events: Sequence[LoggedEvent]) -> bool:
    return all(event.event == _JOINED for event in events)

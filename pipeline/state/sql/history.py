"""Writes the history in an import: its events are put before those known here, so that they are read in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.state.histories import are_joins, by_purchase
from pipeline.state.sql import rows, statements

if TYPE_CHECKING:
    from pipeline.purchases import PurchaseId
    from pipeline.state.sql.database import Transaction
    from pipeline.state.sql.rows import Mirror
    from pipeline.state.store import Imported, LoggedEvent


def take_over(transaction: Transaction, mirror: Mirror, imported: Imported) -> None:
    """Write the events and durations of an import that this state lacks.

    A history is imported only if all events known here are joins: any other event is this state's own, or was
    imported before.
    """
    brought = by_purchase(each for each in imported.events if each.purchase in mirror.purchases)
    if brought:
        known = by_purchase(map(rows.logged_event, transaction.rows(statements.EVENTS)))
        wanted = {
            purchase_id: [*past, *known.get(purchase_id, ())]
            for purchase_id, past in brought.items()
            if are_joins(known.get(purchase_id, ())) and not are_joins(past)
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

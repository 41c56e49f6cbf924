"""Webhook calls for a team's campaign, in an append-only table that needs no lease.

A call may reach a process that does not hold the state, or no longer; the current holder processes it. A webhook call
is only a hint, unlike the response to a create, so the two kinds are kept apart.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

import psycopg

from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.state.postgres import team_tables
from pipeline.state.postgres.connections import LEASE_SECONDS, Connection, ConnectionLost, Server, Timeouts

if TYPE_CHECKING:
    from pipeline.schemes import DatabaseUrl

T = TypeVar("T")

_WAITING = """
    FROM pipeline.receipts AS kept WHERE campaign = %s AND kind = 'webhook'
    AND NOT EXISTS (SELECT 1 FROM pipeline.receipts_taken AS taken WHERE taken.id = kept.id)
"""
_PUT = (
    "INSERT INTO pipeline.receipts (id, campaign, kind, purchase, workflows) SELECT %s, %s, 'webhook', %s, %s "
    f"WHERE NOT EXISTS (SELECT 1 {_WAITING} AND purchase = %s AND workflows = %s) "
    f"AND (SELECT count(*) {_WAITING} AND purchase = %s) <= %s "
    "ON CONFLICT (id) DO NOTHING"
)
_AGE = "extract(epoch FROM clock_timestamp() - at)::float8"
_HELD = f"SELECT id, purchase, workflows, {_AGE} {_WAITING} ORDER BY at, id LIMIT %s"
_MARK_PROCESSED = "INSERT INTO pipeline.receipts_taken (id) VALUES (%s) ON CONFLICT (id) DO NOTHING"
_STAMP = f"SELECT count(*), max(at) {_WAITING}"


class WebhookReceipts:
    """The receipts of one campaign. Each query has its own connection, so this is safe in several threads."""

    def __init__(self, url: DatabaseUrl, campaign: str, lease_seconds: float | None) -> None:
        self._server = Server(url, Timeouts(lease_seconds or LEASE_SECONDS))
        self._campaign = campaign

    def put(self, purchase_id: PurchaseId, workflows: Sequence[WorkflowId], most: int) -> None:
        """Store a receipt durably, unless an equal one is waiting.

        Nothing is stored for a purchase that already has more than `most` waiting receipts.

        Raises:
            Unfinished, InvalidInput: it cannot be written.
        """
        named = " ".join(workflows)
        values = (
            secrets.token_hex(16),
            self._campaign,
            purchase_id,
            named,
            self._campaign,
            purchase_id,
            named,
        )
        self._use(lambda connection: connection.execute(_PUT, (*values, self._campaign, purchase_id, most)))

    def held(self, most: int) -> list[tuple[str, PurchaseId, tuple[WorkflowId, ...], float]]:
        """At most `most` waiting receipts: the number of each, its purchase, the workflows that it names, its age.

        Raises:
            Unfinished, InvalidInput: they cannot be read.
        """
        rows = self._use(lambda connection: connection.execute(_HELD, (self._campaign, most)).fetchall())
        return [
            (number, PurchaseId(purchase_id), tuple(map(WorkflowId, named.split())), age)
            for number, purchase_id, named, age in rows
        ]

    def set_processed(self, numbers: Collection[str]) -> None:
        """Mark receipts as processed.

        Raises:
            Unfinished, InvalidInput: that cannot be written.
        """
        rows = [(number,) for number in numbers]
        if rows:
            self._use(lambda connection: connection.cursor().executemany(_MARK_PROCESSED, rows))

    def stamp(self) -> object:
        """A token that changes whenever a receipt is stored or processed.

        Raises:
            Unfinished, InvalidInput: they cannot be read.
        """
        return self._use(lambda connection: connection.execute(_STAMP, (self._campaign,)).fetchone())

    def _use(self, ask: Callable[[Connection], T]) -> T:
        """The result of `ask`, which is called a second time if the connection is lost."""
        with suppress(ConnectionLost):
            return self._ask(ask)
        try:
            return self._ask(ask)
        except ConnectionLost as error:
            raise self._server.out_of_reach(error) from None

    def _ask(self, ask: Callable[[Connection], T]) -> T:
        with closing(self._server.connect()) as connection:
            try:
                team_tables.make(self._server, connection)
                return ask(connection)
            except psycopg.Error as error:
                raise self._server.lost_or(error, connection) from error

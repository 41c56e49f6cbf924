"""Stores late responses to creates: the id of a paid workflow, from a run that may no longer write to the state.

The table is append-only and needs no lease, so no id is lost; the next holder of the lease takes it over.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from pipeline.errors import InvalidInput, Unfinished
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.state import rescue
from pipeline.state.folder import make_folder
from pipeline.state.postgres.connections import ConnectionLost, Server, durable, pause_before
from pipeline.state.postgres.lease import clock
from pipeline.state.rescue import RescueFile

if TYPE_CHECKING:
    from pipeline.state.postgres.transactions import PostgresDatabase

# Seconds to retry the server before the id goes to the file, or the failure is reported.
_TIMEOUT = 30.0

# The row's own id makes the insert idempotent, so it can be repeated if the response is lost.
_APPEND = """
    INSERT INTO pipeline.receipts (id, campaign, kind, purchase, workflows) VALUES (%s, %s, 'create', %s, %s)
    ON CONFLICT (id) DO NOTHING
"""
_HELD = """
    SELECT id, purchase, workflows FROM pipeline.receipts
    WHERE campaign = ? AND kind = 'create' AND id NOT IN (SELECT id FROM pipeline.receipts_taken)
    ORDER BY at, id
"""
_TAKE = "INSERT INTO pipeline.receipts_taken (id) VALUES (?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResponses:
    """The late responses of one campaign; `database` belongs to the run that holds, or held, the lease.

    `file` is the last resort, on this machine, if the server is unreachable; None if there is none.
    """

    server: Server
    campaign: str
    database: PostgresDatabase
    file: Path | None = None
    _seen: dict[str, PurchaseId] = field(default_factory=dict, init=False)

    def append(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Store the id of a purchase's workflow durably, even if the lease was lost.

        Raises:
            Unfinished, InvalidInput: not even this could be written.
        """
        try:
            self._append(purchase_id, workflow_id)
        except (Unfinished, InvalidInput):
            if self.file is None:
                raise
            make_folder(self.file.parent)
            with closing(RescueFile.open(self.file)) as file:
                file.append(purchase_id, workflow_id)

    def _append(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        values = (secrets.token_hex(16), self.campaign, purchase_id, workflow_id)
        began_at, attempt = clock(), 0
        while True:
            try:
                self._append_once(values)
            except ConnectionLost as error:
                if clock() - began_at >= _TIMEOUT:
                    raise self.server.out_of_reach(error) from None
                time.sleep(pause_before(attempt))
                attempt += 1
            else:
                return

    def _append_once(self, values: tuple[str, ...]) -> None:
        with closing(self.server.connect()) as connection:
            try:
                with durable(connection):
                    connection.execute(_APPEND, values)
            except psycopg.Error as error:
                raise self.server.lost_or(error, connection) from error

    def held(self) -> Mapping[PurchaseId, WorkflowId]:
        """By purchase, the workflow ids that no run has taken over; the last one if there are several."""
        return {**(rescue.read(self.file) if self.file is not None else {}), **self._received()}

    def held_as_far_as_seen(self) -> Mapping[PurchaseId, WorkflowId]:
        """As `held`, for those who only look at a state: a file that cannot be read holds none."""
        return {**(rescue.look(self.file) if self.file is not None else {}), **self._received()}

    def _received(self) -> Mapping[PurchaseId, WorkflowId]:
        with self.database.reading() as transaction:
            rows = transaction.rows(_HELD, self.campaign)
        self._seen.update((row_id, PurchaseId(purchase_id)) for row_id, purchase_id, _ in rows)
        return {PurchaseId(purchase_id): WorkflowId(workflow_id) for _, purchase_id, workflow_id in rows}

    def forget(self, purchases: Collection[PurchaseId]) -> None:
        """Mark the ids of `purchases` as taken over into the state; no row is deleted."""
        if self.file is not None and rescue.read(self.file):
            with closing(RescueFile.open(self.file)) as file:
                file.forget(purchases)
        taken = [row_id for row_id, purchase_id in self._seen.items() if purchase_id in purchases]
        if not taken:
            return
        with self.database.writing() as transaction:
            transaction.execute_many(_TAKE, ((row_id,) for row_id in taken))
        for row_id in taken:
            del self._seen[row_id]

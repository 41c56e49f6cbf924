"""Answers that came too late: the id of a workflow that is paid for, from a run that may not write any more.

The table only grows and asks for no lease, so no id is lost; the next holder of the lease takes it up.
"""

import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from pipeline.errors import InvalidInput, Unfinished
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.state import rescue
from pipeline.state.folder import make_folder
from pipeline.state.postgres.lease import clock
from pipeline.state.postgres.server import ConnectionLost, Server, durable, pause_before
from pipeline.state.postgres.transactions import PostgresDatabase
from pipeline.state.rescue import Rescue

# Seconds for which the server is tried before an id is given up, which is reported then.
_PATIENCE = 30.0

# Its own id lets an answer that was lost be asked for again.
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
class Receipts:
    """The receipts of one campaign; `database` is that of the run that holds the lease, or held it.

    `file` is the last resort, on this machine, where the server is unreachable too; None where there is none.
    """

    server: Server
    campaign: str
    database: PostgresDatabase
    file: Path | None = None
    _seen: dict[str, PurchaseId] = field(default_factory=dict, init=False)

    def append(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Keep the id of a purchase's workflow, durably, even if the lease was lost.

        Raises:
            Unfinished, InvalidInput: not even this could be written.
        """
        try:
            self._append(purchase_id, workflow_id)
        except (Unfinished, InvalidInput):
            if self.file is None:
                raise
            make_folder(self.file.parent)
            with closing(Rescue.open(self.file)) as file:
                file.append(purchase_id, workflow_id)

    def _append(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        values = (secrets.token_hex(16), self.campaign, purchase_id, workflow_id)
        began_at, attempt = clock(), 0
        while True:
            try:
                self._append_once(values)
            except ConnectionLost as error:
                if clock() - began_at >= _PATIENCE:
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
        """By purchase: the ids that no run has taken up; of several the last."""
        with self.database.reading() as transaction:
            rows = transaction.rows(_HELD, self.campaign)
        self._seen.update((receipt, PurchaseId(purchase_id)) for receipt, purchase_id, _ in rows)
        kept = {PurchaseId(purchase_id): WorkflowId(workflow_id) for _, purchase_id, workflow_id in rows}
        return {**(rescue.read(self.file) if self.file is not None else {}), **kept}

    def forget(self, purchases: Collection[PurchaseId]) -> None:
        """Note that the ids of `purchases` are in the state; the others stay, and so do all receipts."""
        if self.file is not None and rescue.read(self.file):
            with closing(Rescue.open(self.file)) as file:
                file.forget(purchases)
        taken = [receipt for receipt, purchase_id in self._seen.items() if purchase_id in purchases]
        if not taken:
            return
        with self.database.writing() as transaction:
            transaction.execute_many(_TAKE, ((receipt,) for receipt in taken))
        for receipt in taken:
            del self._seen[receipt]

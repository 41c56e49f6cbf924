"""PostgreSQL as the store's database: transactions that survive the loss of their connection.

If the connection is lost before the COMMIT, the statements are repeated in a new transaction. Only the holder of the
lease writes, so the outcome has to be the same, and that is checked. If the response to the COMMIT itself is lost,
the number that the transaction wrote shows whether it was committed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from pipeline.errors import PipelineError, Unfinished
from pipeline.state.postgres.connections import DURABLE, Connection, ConnectionLost, Server, pause_before
from pipeline.state.postgres.lease import Lease, clock

if TYPE_CHECKING:
    from pipeline.state.sql.database import Row, Value

# Seconds that a reader waits for an unreachable server.
_READ_TIMEOUT = 30.0

# All settings end with the transaction, so they work behind a pooler too.
_SETTINGS = (
    """
    SELECT set_config('pipeline.campaign', {campaign}, true), set_config('pipeline.machine', {machine}, true),
        set_config('search_path', 'pipeline', true), set_config('lock_timeout', {lock}, true),
        set_config('idle_in_transaction_session_timeout', {silence}, true),
        set_config('statement_timeout', '0', true), """
    + DURABLE
)
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
# The update locks the row, so nobody else can take the lease before the transaction ends.
_FENCE = """
    UPDATE pipeline.leases SET turn = {turn}
    WHERE campaign = {campaign} AND epoch = {epoch} AND until > clock_timestamp()
    RETURNING epoch
"""
# FOR UPDATE waits for a transaction whose connection was lost: its outcome is decided only when it ends.
_OUTCOME = "SELECT epoch, turn FROM pipeline.leases WHERE campaign = {campaign} FOR UPDATE"


@dataclass(frozen=True, slots=True)
class _Step:
    statement: str
    values: Sequence[Sequence[Value]]
    is_many: bool


class PostgresDatabase:
    """The tables of one campaign; `machine` is the one whose files they list. Read-only without a `lease`.

    `connection` is an open one to use, if any; `close` closes the current one. `earlier` has the statements that read
    otherwise, as an earlier version made the tables.
    """

    def __init__(
        self,
        server: Server,
        campaign: str,
        machine: str,
        *,
        lease: Lease | None = None,
        connection: Connection | None = None,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._server = server
        self._campaign = campaign
        self._machine = machine
        self._lease = lease
        self._connection = connection
        self.earlier = earlier
        self._turn = 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[PostgresTransaction]:
        with self._transaction(_READ, None) as transaction:
            yield transaction

    @contextlib.contextmanager
    def writing(self) -> Iterator[PostgresTransaction]:
        if self._lease is None:
            raise PipelineError("the state was opened for reading only")
        self._lease.assert_held()
        self._turn += 1
        with self._transaction(_WRITE, self._lease) as transaction:
            yield transaction

    def damaged(self, what: str) -> PipelineError:
        return self._server.damaged(what)

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    @contextlib.contextmanager
    def _transaction(self, begin: str, lease: Lease | None) -> Iterator[PostgresTransaction]:
        transaction = PostgresTransaction(self, begin, lease)
        try:
            transaction.begin()
            yield transaction
            transaction.commit()
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        """Roll back a failed transaction, or close the connection if that fails."""
        try:
            if self._connection is not None:
                self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    # For transactions; each raises ConnectionLost if there is no response, and otherwise our own errors

    def begin(self, begin: str, lease: Lease | None) -> None:
        """Begin a transaction in one round trip; with a `lease`, check that it is held.

        Raises:
            StateLocked: it is not.
        """
        statements = [sql.SQL(begin), self._formatted(_SETTINGS, lease)]
        if lease is not None:
            statements.append(self._formatted(_FENCE, lease))
        found = self._last_rows(sql.SQL(";").join(statements))
        if lease is not None and found != [(lease.epoch,)]:
            raise lease.lost()

    def carry_out(self, step: _Step) -> Sequence[Row]:
        """Execute one step and fetch all rows that it returns."""
        connection = self._open()
        try:
            cursor = connection.cursor()
            if step.is_many:
                cursor.executemany(step.statement.encode(), step.values)
                return []
            cursor.execute(step.statement.encode(), step.values[0])
            return cursor.fetchall() if cursor.description is not None else []
        except psycopg.Error as error:
            raise self._server.lost_or(error, connection) from error

    def commit(self) -> None:
        """Commit; if this raises ConnectionLost, the commit may have happened."""
        connection = self._open()
        try:
            said = connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            raise self._server.lost_or(error, connection) from error
        if said != "COMMIT":
            # The server rolls back a failed transaction on COMMIT, and does not report this as an error.
            raise Unfinished(f"{self._server.url}: a transaction was undone by the server; run again")

    def was_committed(self, lease: Lease) -> bool:
        """Whether the last writing transaction was committed; waits until that is decided.

        Raises:
            StateLocked: another run has taken the state meanwhile.
        """
        statements = [sql.SQL(_WRITE), *(self._formatted(each, lease) for each in (_SETTINGS, _OUTCOME))]
        ((epoch, turn),) = self._last_rows(sql.SQL(";").join(statements))
        self._undo()
        if epoch != lease.epoch:
            raise lease.lost()
        return bool(turn == self._turn)

    def connect_anew(self) -> None:
        """Reconnect after a lost connection, with retries.

        Raises:
            Unfinished: the server stayed unreachable until the lease ended.
        """
        self.close()
        began_at, attempt = clock(), 0
        while True:
            try:
                self._connection = self._server.connect()
            except ConnectionLost as error:
                lease = self._lease
                if not (lease.is_held() if lease else clock() - began_at < _READ_TIMEOUT):
                    raise self._server.out_of_reach(error) from None
                time.sleep(pause_before(attempt))
                attempt += 1
            else:
                return

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            raise ConnectionLost("the connection is closed")
        return self._connection

    def _last_rows(self, statements: sql.Composed) -> list[Row]:
        """Execute several statements in one round trip, and return the rows of the last."""
        connection = self._open()
        try:
            cursor = connection.execute(statements)
            while cursor.nextset():
                pass
            return cursor.fetchall()
        except psycopg.Error as error:
            raise self._server.lost_or(error, connection) from error

    def _formatted(self, text: str, lease: Lease | None) -> sql.Composed:
        timeouts = self._server.timeouts
        values: dict[str, Any] = {
            "campaign": self._campaign,
            "machine": self._machine,
            "lock": str(round(timeouts.lock * 1000)),
            "silence": str(round(timeouts.silence * 1000)),
            "turn": self._turn,
            "epoch": lease.epoch if lease is not None else 0,
        }
        return sql.SQL(text).format(**values)


class PostgresTransaction:
    """A transaction that starts over, and repeats its statements, if its connection is lost."""

    def __init__(self, database: PostgresDatabase, begin: str, lease: Lease | None) -> None:
        self._database = database
        self._begin = begin
        self._lease = lease
        self._done: list[tuple[_Step, Sequence[Row]]] = []

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        statement = self._database.earlier.get(statement, statement)
        return self._carry_out(_Step(statement.replace("?", "%s"), [values], is_many=False))

    def execute_many(self, statement: str, values: Iterable[Sequence[Value]]) -> None:
        listed = list(values)
        if listed:
            self._carry_out(_Step(statement.replace("?", "%s"), listed, is_many=True))

    def begin(self) -> None:
        """Begin, on a new connection if the old one is lost."""
        try:
            self._database.begin(self._begin, self._lease)
        except ConnectionLost:
            self._again()

    def commit(self) -> None:
        """Commit, with retries: on disk when this returns."""
        while True:
            try:
                self._database.commit()
            except ConnectionLost:
                if self._was_committed():
                    return
                self._again()
            else:
                return

    def _carry_out(self, step: _Step) -> Sequence[Row]:
        while True:
            try:
                rows = self._database.carry_out(step)
            except ConnectionLost:
                self._again()
            else:
                self._done.append((step, rows))
                return rows

    def _was_committed(self) -> bool:
        if self._lease is None:
            return False
        while True:
            self._database.connect_anew()
            with contextlib.suppress(ConnectionLost):
                return self._database.was_committed(self._lease)

    def _again(self) -> None:
        """Start over, and repeat all statements; retried until the time is up.

        Raises:
            Unfinished: a statement returned other rows than before; or the server is unreachable.
            StateLocked: the lease is lost.
        """
        while True:
            self._database.connect_anew()
            with contextlib.suppress(ConnectionLost):
                self._database.begin(self._begin, self._lease)
                for step, rows in self._done:
                    if self._database.carry_out(step) != rows:
                        raise Unfinished("the state changed while the connection was lost; run again")
                return

"""PostgreSQL as a database of the store: transactions that survive the loss of their connection.

What was carried out in a transaction is carried out again in a new one when the connection is lost before its
COMMIT: only the holder of the lease writes, so the outcome is the same, and that is checked. Where the answer to
the COMMIT itself is lost, the number that was written with it shows whether it was committed.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pipeline.errors import PipelineError, Unfinished
from pipeline.state.postgres.lease import Lease, clock
from pipeline.state.postgres.server import DURABLE, Connection, ConnectionLost, Server, pause_before
from pipeline.state.sql.database import Row, Value

# Seconds that who only reads waits for a server that is unreachable.
_READ_PATIENCE = 30.0

# All of it ends with the transaction, so it holds behind a pooler too.
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
# The lock on the row keeps others from taking the lease before the transaction has ended.
_FENCE = """
    UPDATE pipeline.leases SET turn = {turn}
    WHERE campaign = {campaign} AND epoch = {epoch} AND until > clock_timestamp()
    RETURNING epoch
"""
# Waits for a transaction that was lost sight of: its outcome is not known before it has ended.
_OUTCOME = "SELECT epoch, turn FROM pipeline.leases WHERE campaign = {campaign} FOR UPDATE"


@dataclass(frozen=True, slots=True)
class _Step:
    statement: str
    values: Sequence[Sequence[Value]]
    is_many: bool


class PostgresDatabase:
    """The tables of one campaign; `machine` is the one whose files they list. Without a `lease` for reading only.

    `connection` may be given, if one is open; `close` closes the one that is there then.
    """

    def __init__(
        self,
        server: Server,
        campaign: str,
        machine: str,
        *,
        lease: Lease | None = None,
        connection: Connection | None = None,
    ) -> None:
        self._server = server
        self._campaign = campaign
        self._machine = machine
        self._lease = lease
        self._connection = connection
        self._turn = 0

    @contextlib.contextmanager
    def reading(self) -> Iterator["PostgresTransaction"]:
        with self._transaction(_READ, None) as transaction:
            yield transaction

    @contextlib.contextmanager
    def writing(self) -> Iterator["PostgresTransaction"]:
        if self._lease is None:
            raise PipelineError("the state was opened for reading only")
        self._lease.assert_held()
        self._turn += 1
        with self._transaction(_WRITE, self._lease) as transaction:
            yield transaction

    def damaged(self, what: str) -> PipelineError:
        return self._server.damaged(what)

    def close(self) -> None:
        """Close the connection; a transaction that is open is undone."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    @contextlib.contextmanager
    def _transaction(self, begin: str, lease: Lease | None) -> Iterator["PostgresTransaction"]:
        transaction = PostgresTransaction(self, begin, lease)
        try:
            transaction.begin()
            yield transaction
            transaction.commit()
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        """Leave nothing of a transaction that has failed to the next one."""
        try:
            if self._connection is not None:
                self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    # What a transaction asks for; each raises ConnectionLost where there is no answer, else errors of ours

    def begin(self, begin: str, lease: Lease | None) -> None:
        """Begin a transaction in one exchange with the server; with a `lease`, check that it is held.

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
        """Carry out one step and fetch all that it returns."""
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
        """Commit; where that raises ConnectionLost it may have happened."""
        connection = self._open()
        try:
            said = connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            raise self._server.lost_or(error, connection) from error
        if said != "COMMIT":
            # The server says so of a transaction that had failed, and calls it no error.
            raise Unfinished(f"{self._server.url}: a transaction was undone by the server; run again")

    def was_committed(self, lease: Lease) -> bool:
        """Whether the last transaction that wrote was committed; waits until that is decided.

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
        """A new connection instead of one that was lost, as soon as there is one.

        Raises:
            Unfinished: there was none for as long as the lease lasts.
        """
        self.close()
        began_at, attempt = clock(), 0
        while True:
            try:
                self._connection = self._server.connect()
            except ConnectionLost as error:
                lease = self._lease
                if not (lease.is_held() if lease else clock() - began_at < _READ_PATIENCE):
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
        """Carry out several statements in one exchange; the rows of the last."""
        connection = self._open()
        try:
            cursor = connection.execute(statements)
            while cursor.nextset():
                pass
            return cursor.fetchall()
        except psycopg.Error as error:
            raise self._server.lost_or(error, connection) from error

    def _formatted(self, text: str, lease: Lease | None) -> sql.Composed:
        patience = self._server.patience
        values: dict[str, Any] = {
            "campaign": self._campaign,
            "machine": self._machine,
            "lock": str(round(patience.lock * 1000)),
            "silence": str(round(patience.silence * 1000)),
            "turn": self._turn,
            "epoch": lease.epoch if lease is not None else 0,
        }
        return sql.SQL(text).format(**values)


class PostgresTransaction:
    """A transaction that starts over, and carries out again what was, when its connection is lost."""

    def __init__(self, database: PostgresDatabase, begin: str, lease: Lease | None) -> None:
        self._database = database
        self._begin = begin
        self._lease = lease
        self._done: list[tuple[_Step, Sequence[Row]]] = []

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        return self._carry_out(_Step(statement.replace("?", "%s"), [values], is_many=False))

    def execute_many(self, statement: str, values: Iterable[Sequence[Value]]) -> None:
        listed = list(values)
        if listed:
            self._carry_out(_Step(statement.replace("?", "%s"), listed, is_many=True))

    def begin(self) -> None:
        """Begin, on a new connection if the one that there was is lost."""
        try:
            self._database.begin(self._begin, self._lease)
        except ConnectionLost:
            self._again()

    def commit(self) -> None:
        """Commit, for certain: on disk when this returns."""
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
        """Start over, and carry out all that was. It may be lost again, as often as there is time.

        Raises:
            Unfinished: what is read now is not what was read before; or the server is unreachable.
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

"""SQLite as the store's database: its transactions and its errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, PipelineError
from pipeline.state.sql import statements
from pipeline.state.state_file import RESTORE, explained

if TYPE_CHECKING:
    from pipeline.state.sql.database import Row, Value


@dataclass(frozen=True, slots=True)
class Epoch:
    """The number of a run among those that have held the state; `assert_in_place` raises if the file is gone."""

    number: int
    assert_in_place: Callable[[], None]


class SqliteDatabase:
    """A connection in autocommit mode (`isolation_level` None), which its owner closes.

    `path` is the file's path in error messages. Without an `epoch`, it is read-only.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, epoch: Epoch | None = None) -> None:
        self._connection = connection
        self._path = path
        self._epoch = epoch

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, values: Iterable[Sequence[Value]]) -> None:
        self._connection.executemany(statement, values)

    @contextlib.contextmanager
    def reading(self) -> Iterator[SqliteDatabase]:
        with self._transaction("BEGIN"):
            yield self

    @contextlib.contextmanager
    def writing(self) -> Iterator[SqliteDatabase]:
        if self._epoch is None:
            raise PipelineError("the state was opened for reading only")
        self._epoch.assert_in_place()
        # IMMEDIATE: a transaction that begins as a reader cannot wait for the write lock later.
        with self._transaction("BEGIN IMMEDIATE"):
            if self.rows(statements.EPOCH) != [(self._epoch.number,)]:
                raise InvalidInput(
                    "another run has taken over the state; this one writes and buys nothing more"
                )
            yield self

    def damaged(self, what: str) -> PipelineError:
        return InvalidInput(f"{self._path}: the state file is damaged ({what}); {RESTORE}")

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        try:
            try:
                self._connection.execute(begin)
                yield
                self._connection.execute("COMMIT")
            finally:
                # Also after a failed COMMIT or an interrupt: the next transaction must not inherit anything.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise explained(self._path, error) from error

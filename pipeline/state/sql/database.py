"""The port to a database: what the store needs besides its SQL statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pipeline.errors import PipelineError

Value = str | int | float | None
Row = tuple[Any, ...]


class Transaction(Protocol):
    """An open transaction. In a statement, `?` is the placeholder for a value."""

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        """Execute one statement and fetch all rows that it returns."""
        ...

    def execute_many(self, statement: str, values: Iterable[Sequence[Value]]) -> None:
        """Execute one statement for each item of `values`, which may be empty."""
        ...


class Database(Protocol):
    """One connection to the tables of one campaign; in a database of many campaigns, these are views on its rows.

    A transaction is committed, and on disk, when its `with` block ends, and rolled back if the block raises. The
    driver's errors are translated: to `Unfinished` if a later attempt may succeed, else to `InvalidInput`.
    """

    def reading(self) -> AbstractContextManager[Transaction]:
        """A read transaction on a consistent snapshot of the tables."""
        ...

    def writing(self) -> AbstractContextManager[Transaction]:
        """A write transaction, which checks that this run still holds the state.

        Raises:
            InvalidInput: the state was deleted, replaced, or taken over by another run.
            PipelineError: it was opened read-only.
        """
        ...

    def damaged(self, what: str) -> PipelineError:
        """The error for damaged tables: what is wrong with them, and what to do."""
        ...

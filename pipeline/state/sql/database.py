"""The port to a database: what the store needs of a DB-API 2 driver beyond the text of its statements."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipeline.errors import PipelineError

Value = str | int | float | None
Row = tuple[Any, ...]


class Transaction(Protocol):
    """A transaction that is open. In a statement, `?` stands for a value."""

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        """Carry out one statement and fetch all that it returns."""
        ...

    def execute_many(self, statement: str, values: Iterable[Sequence[Value]]) -> None:
        """Carry out one statement for each of `values`, of which there may be none."""
        ...


class Database(Protocol):
    """One connection to the tables of one campaign: in a database of many, their names are views on its rows.

    A transaction is committed, and on disk, when its `with` ends, and undone where that raises. Errors of the
    driver come out of it as ours: `Unfinished` where it may go another time, `InvalidInput` where it may not.
    """

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one state of the tables throughout."""
        ...

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction of the one run that holds the state; it checks that in itself.

        Raises:
            InvalidInput: the state was deleted, replaced, or taken over by another run.
            PipelineError: it was opened for reading only.
        """
        ...

    def damaged(self, what: str) -> PipelineError:
        """The error that says what is wrong with what the tables hold, and what to do."""
        ...

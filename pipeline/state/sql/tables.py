"""The tables, and the few statements that both SQLite and PostgreSQL understand."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import sqlalchemy as sa

from pipeline.errors import PipelineError
from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Records, Status, as_json, from_json
from pipeline.state.store import LoggedEvent, PlacedFile


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


META = _table("meta", "campaign", "manifest", "epoch", "dirty")
PURCHASES = _table(
    "purchases", "id", "revision", "status", "reason", "key", "fingerprint", "cost", "run", "document"
)
EVENTS = _table("events", "purchase", "revision", "at", "event", "before", "after", "detail")
SERVED = _table("served", "key", "purchase")
FILES = _table("files", *(field.name for field in fields(PlacedFile)))
DURATIONS = _table("durations", "template_id", "count", "mean")

# Databases bound the number of values in one statement.
_CHUNK = 500

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Held:
    """A purchase as it is on disk."""

    revision: int
    document: str


def text_of(purchase: Purchase) -> str:
    """The purchase's document: ASCII, so that no NUL or lone surrogate of a server's reaches a column."""
    return json.dumps(as_json(purchase), sort_keys=True, separators=(",", ":"))


def storable(text: str) -> str:
    """A text as any database takes it: PostgreSQL knows no NUL, UTF-8 no lone surrogate."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def row(table: sa.TableClause, values: Iterable[object]) -> Row:
    """A row of `table`, its values in the order of the columns."""
    return {
        column.name: storable(value) if isinstance(value, str) else value
        for column, value in zip(table.c, values, strict=True)
    }


def records(connection: sa.Connection) -> Records:
    """Every purchase, and what served each key last."""
    documents = connection.execute(sa.select(PURCHASES.c.document)).scalars()
    purchases = (from_json(json.loads(document)) for document in documents)
    return Records({purchase.id: purchase for purchase in purchases}, served(connection))


def served(connection: sa.Connection) -> dict[JobKey, PurchaseId]:
    """By key: the purchase that served it last."""
    return {JobKey(key): PurchaseId(purchase) for key, purchase in connection.execute(sa.select(*SERVED.c))}


def spent(connection: sa.Connection, run: str) -> tuple[int, int]:
    """Creates and credits of a run, void ones aside."""
    bought = sa.case((PURCHASES.c.status != Status.VOID.value, 1), else_=0)
    sums = sa.select(_sum(bought), _sum(PURCHASES.c.cost)).where(PURCHASES.c.run == run)
    creates, credits_spent = connection.execute(sums).one()
    return int(creates), int(credits_spent)


def spent_ever(connection: sa.Connection) -> int:
    """Credits of all runs, and of what the join brought."""
    return int(connection.execute(sa.select(_sum(PURCHASES.c.cost))).scalar_one())


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(column), 0)


def durations(connection: sa.Connection) -> dict[str, float]:
    """By template id: the mean seconds to success."""
    rows = connection.execute(sa.select(DURATIONS.c.template_id, DURATIONS.c.mean))
    return {str(template): float(mean) for template, mean in rows}


def learn(connection: sa.Connection, template_id: str, seconds: float) -> None:
    """Count one more duration into a template's mean."""
    known = sa.select(DURATIONS.c.count, DURATIONS.c.mean).where(DURATIONS.c.template_id == template_id)
    before = connection.execute(known).one_or_none()
    count, mean = (before[0] + 1, before[1]) if before else (1, 0.0)
    put(
        connection,
        DURATIONS,
        "template_id",
        [row(DURATIONS, (template_id, count, mean + (seconds - mean) / count))],
    )


def events(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[LoggedEvent]:
    """The history of purchases, each one's oldest first."""
    columns = (EVENTS.c[field.name] for field in fields(LoggedEvent))
    ordered = sa.select(*columns).where(where).order_by(EVENTS.c.purchase, EVENTS.c.revision)
    return [LoggedEvent(*each) for each in connection.execute(ordered)]


def files(connection: sa.Connection) -> list[PlacedFile]:
    """Where files lie, by path."""
    return [PlacedFile(*each) for each in connection.execute(sa.select(*FILES.c).order_by(FILES.c.path))]


def held(connection: sa.Connection, purchase_ids: Iterable[PurchaseId]) -> dict[str, Held]:
    """What the state holds of the purchases named `purchase_ids`."""
    found: dict[str, Held] = {}
    columns = sa.select(PURCHASES.c.id, PURCHASES.c.revision, PURCHASES.c.document)
    for chunk in _chunks(sorted(purchase_ids)):
        for mark, revision, document in connection.execute(columns.where(PURCHASES.c.id.in_(chunk))):
            found[mark] = Held(revision, document)
    return found


def insert(connection: sa.Connection, table: sa.TableClause, rows: Sequence[Row]) -> None:
    """Add `rows`, of which there may be none."""
    if rows:
        connection.execute(sa.insert(table), rows)


def add_purchase(connection: sa.Connection, purchase: Purchase, run: str) -> Held:
    """Add a purchase that is not there yet."""
    first = Held(1, text_of(purchase))
    insert(connection, PURCHASES, [{"id": storable(purchase.id), "run": run, **_facts(purchase, first)}])
    return first


def set_purchase(connection: sa.Connection, purchase: Purchase, was: Held, status: Status) -> Held:
    """Write what became of a purchase, only if it is still at the revision and status that it had.

    Raises:
        PipelineError: it is not.
    """
    following = Held(was.revision + 1, text_of(purchase))
    unchanged = sa.and_(
        PURCHASES.c.id == purchase.id,
        PURCHASES.c.revision == was.revision,
        PURCHASES.c.status == status.value,
    )
    # RETURNING, as the count of rows is told differently by each database.
    update = sa.update(PURCHASES).where(unchanged).values(_facts(purchase, following))
    if len(connection.execute(update.returning(PURCHASES.c.id)).all()) != 1:
        raise PipelineError(f"purchase {purchase.id} changed while it was written")
    return following


def _facts(purchase: Purchase, held_as: Held) -> Row:
    return {
        "revision": held_as.revision,
        "status": purchase.status.value,
        "reason": purchase.reason.value if purchase.reason else None,
        "key": storable(purchase.key),
        "fingerprint": storable(purchase.fingerprint),
        "cost": purchase.cost,
        "document": held_as.document,
    }


def put(connection: sa.Connection, table: sa.TableClause, by: str, rows: Sequence[Row]) -> None:
    """Add `rows`, each in the place of the one with the same value in the column `by`."""
    delete(connection, table, by, [str(each[by]) for each in rows])
    insert(connection, table, rows)


def delete(connection: sa.Connection, table: sa.TableClause, by: str, values: Iterable[str]) -> None:
    """Remove the rows whose column `by` is one of `values`."""
    for chunk in _chunks(list(values)):
        connection.execute(sa.delete(table).where(table.c[by].in_(chunk)))


def file_rows(placed: Iterable[PlacedFile]) -> list[Row]:
    """The rows of `placed`; of two on one path the last."""
    return [row(FILES, astuple(file)) for file in {file.path: file for file in placed}.values()]


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]

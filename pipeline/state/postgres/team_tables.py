"""The tables for the states of many campaigns, in the schema `pipeline` of a PostgreSQL database.

Each table has the campaign in its key. For each table, a view with the name that the store's statements use shows
only the rows of the transaction's campaign, so the same SQL works for SQLite and PostgreSQL. The campaign is a
setting that ends with the transaction: behind a pooler, the next transaction may get another connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from psycopg import sql

from pipeline.errors import InvalidInput
from pipeline.state.sql import statements

if TYPE_CHECKING:
    from pipeline.state.postgres.connections import Connection, Server

_CAMPAIGN = "campaign text NOT NULL DEFAULT current_setting('pipeline.campaign')"

_PURCHASES = """CREATE TABLE pipeline.purchases_of_all (
    {campaign}, id text, revision bigint NOT NULL, status text NOT NULL, reason text, key text NOT NULL,
    fingerprint text NOT NULL, cost bigint NOT NULL, run text NOT NULL, document text NOT NULL,
    PRIMARY KEY (campaign, id)
)"""
_EVENTS = """CREATE TABLE pipeline.events_of_all (
    {campaign}, purchase text, revision bigint, at text NOT NULL, event text NOT NULL, before text,
    after text NOT NULL, detail text NOT NULL,
    PRIMARY KEY (campaign, purchase, revision)
)"""
_SERVED = """CREATE TABLE pipeline.served_of_all (
    {campaign}, key text, purchase text NOT NULL, PRIMARY KEY (campaign, key)
)"""
# Paths of files are valid on one machine only, not on the others that share the state.
_FILES = """CREATE TABLE pipeline.files_of_all (
    {campaign}, machine text NOT NULL DEFAULT current_setting('pipeline.machine'), path text,
    purchase text NOT NULL, slot text NOT NULL, sha256 text NOT NULL, bytes bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    PRIMARY KEY (campaign, machine, path)
)"""
_DURATIONS = """CREATE TABLE pipeline.durations_of_all (
    {campaign}, template_id text, count bigint NOT NULL, mean double precision NOT NULL,
    PRIMARY KEY (campaign, template_id)
)"""
# One row for the whole team: what one machine writes supersedes what another has written.
_RESULTS = """CREATE TABLE pipeline.results_of_all (
    {campaign}, joined text NOT NULL, told text NOT NULL, PRIMARY KEY (campaign)
)"""
# `turn` is the number of the holder's last transaction: it shows whether a commit without a response happened.
_LEASES = """CREATE TABLE pipeline.leases (
    campaign text PRIMARY KEY, manifest text NOT NULL, epoch bigint NOT NULL, turn bigint NOT NULL,
    claim text NOT NULL, holder text NOT NULL, command text NOT NULL, host text NOT NULL, process bigint NOT NULL,
    since timestamptz NOT NULL, until timestamptz NOT NULL
)"""
_MACHINES = """CREATE TABLE pipeline.machines (
    campaign text, machine text, seen timestamptz NOT NULL, PRIMARY KEY (campaign, machine)
)"""
# Both are append-only: a response may arrive after the sender's lease has ended, and what was taken over stays
# marked.
_RECEIPTS = """CREATE TABLE pipeline.receipts (
    id text PRIMARY KEY, campaign text NOT NULL, kind text NOT NULL, purchase text NOT NULL,
    workflows text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
_RECEIPTS_TAKEN = "CREATE TABLE pipeline.receipts_taken (id text PRIMARY KEY)"

_VIEWS = {
    "purchases": "id, revision, status, reason, key, fingerprint, cost, run, document",
    "events": "purchase, revision, at, event, before, after, detail",
    "served": "key, purchase",
    "files": "path, purchase, slot, sha256, bytes, mtime_ns",
    "durations": "template_id, count, mean",
}


def _view(name: str, columns: str) -> str:
    of_machine = " AND machine = current_setting('pipeline.machine')" if name == "files" else ""
    return (
        f"CREATE OR REPLACE VIEW pipeline.{name} AS SELECT {columns} FROM pipeline.{name}_of_all "  # noqa: S608 - constants
        f"WHERE campaign = current_setting('pipeline.campaign'){of_machine}"
    )


_FIRST = (
    *(each.format(campaign=_CAMPAIGN) for each in (_PURCHASES, _EVENTS, _SERVED, _FILES, _DURATIONS)),
    *(_LEASES, _MACHINES, _RECEIPTS, _RECEIPTS_TAKEN),
    "CREATE INDEX receipts_of_campaign ON pipeline.receipts (campaign)",
    *(_view(name, columns) for name, columns in _VIEWS.items()),
)
_SECOND = (_RESULTS.format(campaign=_CAMPAIGN), _view("results", "joined, told"))
_THIRD = (
    "ALTER TABLE pipeline.served_of_all ADD COLUMN serial bigint NOT NULL DEFAULT 1",
    _view("served", "key, purchase, serial"),
)
# A released migration is never changed; later needs get a new migration at the end.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD)
# By statement, the version of the tables that it needs, and what reads those before that.
_EARLIER = {
    statements.RESULTS: (2, "SELECT '', '' WHERE false"),
    statements.SERVED: (3, "SELECT key, purchase, 1 FROM served"),
}
# Reads the catalogue, because `to_regclass` may answer from the session's cache, as of before it waited for a lock.
_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname = 'pipeline'"
_VERSIONED = "SELECT 1 FROM pg_tables WHERE schemaname = 'pipeline' AND tablename = 'version'"
# The advisory lock under which tables are created, so that two first runs do not both create them.
_LOCK = 0x5669506C


def are_there(server: Server, connection: Connection) -> bool:
    """Whether the tables exist, if only as an earlier version made them.

    Raises:
        InvalidInput: a newer version made them; or the database's encoding is not UTF8.
    """
    return _checked_version(server, connection) > 0


def to_read(server: Server, connection: Connection) -> Mapping[str, str]:
    """The store's statements that read otherwise as long as nobody has migrated the tables, each with what it reads.

    Raises:
        InvalidInput: as `are_there`.
    """
    version = _checked_version(server, connection)
    return {known: earlier for known, (until, earlier) in _EARLIER.items() if version < until}


def _checked_version(server: Server, connection: Connection) -> int:
    version = _version(connection)
    if version > len(_MIGRATIONS):
        raise InvalidInput(
            f"{server.url}: written by a newer version of pipeline; update pipeline, nothing was changed"
        )
    (encoding,) = connection.execute("SHOW server_encoding").fetchone() or ("",)
    if encoding != "UTF8":
        raise InvalidInput(f"{server.url}: the database has the encoding {encoding}; a state needs UTF8")
    return version


def make(server: Server, connection: Connection) -> None:
    """Create or migrate the tables in one transaction. Other processes that try at the same time wait for it.

    Raises:
        InvalidInput: as `are_there`.
    """
    if _checked_version(server, connection) == len(_MIGRATIONS):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        version = _version(connection)
        # A user who was given the schema may not have the right to create one.
        if connection.execute(_SCHEMA).fetchone() is None:
            connection.execute("CREATE SCHEMA pipeline")
        connection.execute("CREATE TABLE IF NOT EXISTS pipeline.version (version bigint NOT NULL)")
        for statement in (statement for each in _MIGRATIONS[version:] for statement in each):
            connection.execute(sql.SQL(statement))
        connection.execute("DELETE FROM pipeline.version")
        connection.execute("INSERT INTO pipeline.version VALUES (%s)", (len(_MIGRATIONS),))


def _version(connection: Connection) -> int:
    if connection.execute(_VERSIONED).fetchone() is None:
        return 0
    (version,) = connection.execute("SELECT max(version) FROM pipeline.version").fetchone() or (0,)
    return int(version or 0)

"""SQLAlchemy over an SQLite connection that is already open."""

import sqlite3

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool


def engine_over(connection: sqlite3.Connection, *, writing: bool) -> sa.Engine:
    """An engine that has this one connection and leaves closing it to its owner.

    The connection is in autocommit mode (`isolation_level` None): transactions begin where we say so, and as
    a writer from the start, since one that begins as a reader cannot wait for its turn to write.
    """
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connection, poolclass=StaticPool, pool_reset_on_return=None
    )
    statement = "BEGIN IMMEDIATE" if writing else "BEGIN"
    sa.event.listen(engine, "begin", lambda opened: opened.exec_driver_sql(statement))
    return engine

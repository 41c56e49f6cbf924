"""Connections to a PostgreSQL server: bounded in time, and with its errors turned into ours."""

import contextlib
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipeline.errors import InvalidInput, PipelineError, Unfinished, UsageError, printable
from pipeline.schemes import DatabaseUrl

T = TypeVar("T")

# How long a run holds a state, if it does not renew that.
LEASE_SECONDS = 60.0
# Looks at the time so often while it waits for an answer, in seconds.
_GLANCE = 0.25
# The longest pause between two attempts to reach the server, in seconds.
_LONGEST_PAUSE = 1.0
# The connection is gone, or the server is going down or not up yet, or has no room now (see its appendix A). A lock
# that is not given is held by a connection that the server will miss soon.
_PASSING = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300", "40001", "40P01", "55P03")
_SHORTAGE = ("53", "54", "57", "58")
_FORBIDDEN = ("25006", "28", "42501")


# That a commit waits for the disk, in this transaction: else the server forgets what it has acknowledged.
DURABLE = """set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"""


class ConnectionLost(Exception):
    """There is no answer; whether the statement was carried out has to be found out."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts in seconds, all of them shorter than a lease of `lease` seconds.

    For a server to answer at all, for a lock that another connection holds; and how long the server keeps a
    transaction of a connection that has gone silent.
    """

    lease: float

    @property
    def answer(self) -> float:
        return self.lease / 3

    @property
    def lock(self) -> float:
        return self.lease / 4

    @property
    def silence(self) -> float:
        return self.lease / 6


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for ever: lost packets are not reported."""

    longest_silence = 20.0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Carry out what psycopg asks to be carried out, as long as the server continues answering.

        Raises:
            OperationalError: it has not for `longest_silence` seconds; the connection is closed.
        """
        del args, kwargs
        try:
            return super().wait(_impatient(gen, self.longest_silence), interval=_GLANCE)
        except TimeoutError as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(str(error)) from None


def _impatient(gen: Generator[Any, Any, T], longest_silence: float) -> Generator[Any, Any, T]:
    """Drive the generator; raises TimeoutError where nothing came for so long."""
    try:
        wanted = next(gen)
        heard_at = time.monotonic()
        while True:
            ready = yield wanted
            if ready:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > longest_silence:
                raise TimeoutError(f"the server has not answered for {longest_silence:.0f} seconds")
            wanted = gen.send(ready)
    except StopIteration as end:
        return cast("T", end.value)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is, and how long it is waited for."""

    url: DatabaseUrl
    patience: Patience

    def connect(self) -> Connection:
        """A new connection in autocommit mode, which the caller closes.

        Raises:
            ConnectionLost: the server is unreachable now; says why.
            InvalidInput: it does not let us in, or knows no such database.
            UsageError: libpq does not take the url.
        """
        try:
            given = conninfo_to_dict(self.url.text)
        except psycopg.Error:
            # Not with its words: they may quote the password.
            raise UsageError(
                "--state postgresql://…: libpq does not take this url; see 'Connection URIs' in its manual"
            ) from None
        seconds = max(2, round(self.patience.silence))
        ours: dict[str, str | int | None] = {
            "connect_timeout": seconds,
            "keepalives_idle": seconds,
            "keepalives_interval": max(1, seconds // 3),
            "keepalives_count": 2,
            "tcp_user_timeout": round(self.patience.answer * 1000),
            "application_name": "pipeline",
        }
        # What the operator says is left as it is, but for the encoding: the records are Unicode.
        conninfo = make_conninfo("", **{**ours, **given, "client_encoding": "UTF8"})
        try:
            # A pooler gives each transaction another connection, in which nothing that was prepared is known.
            connection = Connection.connect(conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise self._not_let_in(error) from None
        connection.longest_silence = self.patience.answer
        # Of transactions that wait for others and then look again: with what they saw before, they would not see.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return connection

    def lost_or(self, error: psycopg.Error, connection: Connection | None) -> Exception:
        """Translate an error of the driver: the connection is lost, or one of our errors."""
        state = error.sqlstate or ""
        if connection is None or connection.closed or connection.broken or state.startswith(_PASSING):
            return ConnectionLost(self._said(error))
        if state.startswith(_SHORTAGE):
            return Unfinished(f"{self._said(error)}; anything not written did not happen; run again")
        if state.startswith(_FORBIDDEN):
            return InvalidInput(
                f"{self._said(error)}; the state needs a user who may write to it, on a server that is not a standby"
            )
        if state.startswith(("22", "23", "42")):
            return self.damaged(printable(str(error)))
        return PipelineError(self._said(error))

    def damaged(self, what: str) -> InvalidInput:
        """The error of tables that hold something that this tool has not written."""
        return InvalidInput(
            f"{self.url}: the state in the database is damaged ({self.url.without_secrets(what)}); nothing was "
            "changed; restore it from a backup, or give the campaign another database: the next run then knows "
            "what the results manifest knows"
        )

    def out_of_reach(self, why: object) -> Unfinished:
        """The error of a server that is not there for longer than can be waited."""
        return Unfinished(f"{self.url}: the database is unreachable ({why}); fix that and run again")

    def _said(self, error: psycopg.Error) -> str:
        first = self.url.without_secrets(" ".join(str(error).split()))
        return f"{self.url}: {printable(first)}"

    def _not_let_in(self, error: psycopg.Error) -> Exception:
        text = self.url.without_secrets(" ".join(str(error).split()))
        # For a failed connection libpq gives no code, only words.
        if any(
            words in text for words in ("authentication failed", "no password", "does not exist", "pg_hba")
        ):
            return InvalidInput(
                f"{self.url}: the database refuses access ({printable(text)}); see `~/.pgpass` and the url"
            )
        return ConnectionLost(printable(text))


@contextlib.contextmanager
def durable(connection: Connection) -> Iterator[None]:
    """A transaction that is on disk when its block has ended, whatever the database is set to do on commits."""
    with connection.transaction():
        connection.execute(f"SELECT {DURABLE}".encode())
        yield


def pause_before(attempt: int) -> float:
    """Seconds before the attempt of that number to reach the server again; the first has number 0."""
    return min(_LONGEST_PAUSE, 0.02 * 2.0 ** min(attempt, 10))

"""Connections to a PostgreSQL server, with timeouts, and with its errors translated to ours."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipeline.errors import InvalidInput, PipelineError, Unfinished, UsageError, printable

if TYPE_CHECKING:
    from pipeline.schemes import DatabaseUrl

T = TypeVar("T")

# The length of a lease, in seconds, unless it is renewed.
LEASE_SECONDS = 60.0
# Seconds between two checks of the timeout while waiting for a response.
_GLANCE = 0.25
# The longest pause between two attempts to reach the server, in seconds.
_LONGEST_PAUSE = 1.0
# Error codes (PostgreSQL manual, appendix A) after which to reconnect: the connection is gone; the server is shutting
# down, starting, or out of connections; or a lock is held by a connection that the server will soon drop.
_PASSING = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300", "40001", "40P01", "55P03")
_SHORTAGE = ("53", "54", "57", "58")
_FORBIDDEN = ("25006", "28", "42501")


# Makes this transaction's commit wait for the disk: otherwise a server crash could lose an acknowledged commit.
DURABLE = """set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"""


class ConnectionLost(Exception):
    """There was no response, so it is unknown whether the statement was executed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds, all shorter than a lease of `lease` seconds.

    `answer` is for a response of the server, `lock` for a lock that another connection holds; `silence` is how long
    the server keeps the transaction of a silent connection.
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
    """A connection with a timeout: lost packets are not reported, so it could otherwise wait for ever."""

    longest_silence = 20.0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Run psycopg's generator as long as the server keeps responding.

        Raises:
            OperationalError: it did not respond for `longest_silence` seconds; the connection is closed.
        """
        del args, kwargs
        try:
            return super().wait(_within_silence(gen, self.longest_silence), interval=_GLANCE)
        except TimeoutError as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(str(error)) from None


def _within_silence(gen: Generator[Any, Any, T], longest_silence: float) -> Generator[Any, Any, T]:
    """Drive the generator; raise TimeoutError if nothing arrives for `longest_silence` seconds."""
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
    """The address of the database, and how long to wait for it."""

    url: DatabaseUrl
    timeouts: Timeouts

    def connect(self) -> Connection:
        """A new connection in autocommit mode, which the caller closes.

        Raises:
            ConnectionLost: the server is unreachable now; the message says why.
            InvalidInput: it refuses access, or has no such database.
            UsageError: libpq does not accept the url.
        """
        try:
            given = conninfo_to_dict(self.url.text)
        except psycopg.Error:
            # Without libpq's message: it may quote the password.
            raise UsageError(
                "--state postgresql://…: libpq does not take this url; see 'Connection URIs' in its manual"
            ) from None
        seconds = max(2, round(self.timeouts.silence))
        ours: dict[str, str | int | None] = {
            "connect_timeout": seconds,
            "keepalives_idle": seconds,
            "keepalives_interval": max(1, seconds // 3),
            "keepalives_count": 2,
            "tcp_user_timeout": round(self.timeouts.answer * 1000),
            "application_name": "pipeline",
        }
        # The operator's settings win, except for the encoding: the records are Unicode.
        conninfo = make_conninfo("", **{**ours, **given, "client_encoding": "UTF8"})
        try:
            # No prepared statements: behind a pooler, each transaction may get another connection.
            connection = Connection.connect(conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise self._not_let_in(error) from None
        connection.longest_silence = self.timeouts.answer
        # Transactions that wait for others have to see what those committed; a stricter level would hide it.
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
        """The error for tables that contain something that this tool cannot have written."""
        return InvalidInput(
            f"{self.url}: the state in the database is damaged ({self.url.without_secrets(what)}); nothing was "
            "changed; restore it from a backup, or give the campaign another database: the next run then knows "
            "what the results manifest knows"
        )

    def out_of_reach(self, why: object) -> Unfinished:
        """The error for a server that was unreachable for too long."""
        return Unfinished(f"{self.url}: the database is unreachable ({why}); fix that and run again")

    def _said(self, error: psycopg.Error) -> str:
        first = self.url.without_secrets(" ".join(str(error).split()))
        return f"{self.url}: {printable(first)}"

    def _not_let_in(self, error: psycopg.Error) -> Exception:
        text = self.url.without_secrets(" ".join(str(error).split()))
        # For a failed connection, libpq gives no code, only a message.
        if any(
            words in text for words in ("authentication failed", "no password", "does not exist", "pg_hba")
        ):
            return InvalidInput(
                f"{self.url}: the database refuses access ({printable(text)}); see `~/.pgpass` and the url"
            )
        return ConnectionLost(printable(text))


@contextlib.contextmanager
def durable(connection: Connection) -> Iterator[None]:
    """A transaction that is on disk when its block ends, whatever the database's setting for commits."""
    with connection.transaction():
        connection.execute(f"SELECT {DURABLE}".encode())
        yield


def pause_before(attempt: int) -> float:
    """Seconds to wait before retry number `attempt` of a connection, counted from 0."""
    return min(_LONGEST_PAUSE, 0.02 * 2.0 ** min(attempt, 10))

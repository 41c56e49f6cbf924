"""Opens the state of a campaign in a team's database: checks whose it is, and who may write to it."""

import os
import secrets
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg

from pipeline.errors import InvalidInput, printable
from pipeline.paths import project_root, real_path
from pipeline.schemes import DatabaseUrl, part_name
from pipeline.state import state_file
from pipeline.state.folder import DEFAULT_FOLDER
from pipeline.state.lock import once_in_this_process
from pipeline.state.postgres import lease, team_tables
from pipeline.state.postgres.connections import (
    LEASE_SECONDS,
    Connection,
    ConnectionLost,
    Server,
    Timeouts,
    pause_before,
)
from pipeline.state.postgres.late_responses import LateResponses
from pipeline.state.postgres.lease import Claim, LeaseHolder, clock
from pipeline.state.postgres.transactions import PostgresDatabase
from pipeline.state.rescue import rescue_path
from pipeline.state.sql.sqlite import SqliteDatabase
from pipeline.state.sql.store import OpenDatabase, SqlStore
from pipeline.state.store import PartStamp

T = TypeVar("T")

# Seconds to retry the connection when a command begins: the server may be starting, or drop the first connections.
_OPENING_TIMEOUT = 5.0
# A command that found nothing has left a lease too. The parts of a campaign are one campaign.
_CAMPAIGNS = """
    SELECT DISTINCT split_part(campaign, '/', 1) AS whole FROM pipeline.leases WHERE EXISTS (
        SELECT 1 FROM pipeline.purchases_of_all AS bought WHERE bought.campaign = leases.campaign
    ) ORDER BY whole LIMIT 6
"""
_PARTS = """
    SELECT campaign, epoch, turn, until > clock_timestamp() AND claim <> '' FROM pipeline.leases
    WHERE campaign = %(campaign)s OR starts_with(campaign, %(campaign)s || '/') ORDER BY campaign
"""
_TURN = "SELECT epoch, turn FROM pipeline.leases WHERE campaign = %s"
_HAS_PURCHASES = "SELECT 1 FROM pipeline.purchases_of_all WHERE campaign = %s LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamState:
    """A campaign's state in a database, as requested from `open_store`.

    `campaign` and `manifest` are None if only the database knows them. `part` is a part of the campaign, or None for
    the whole; `split` names the division that it is a part of. `run` and `command` are shown to others.
    `folder` is the manifest's, if only that is known.
    """

    url: DatabaseUrl
    campaign: str | None
    manifest: Path | None
    part: str | None = None
    split: str = ""
    run: str = ""
    command: str = ""
    lease_seconds: float | None = None
    folder: Path | None = None

    @property
    def _server(self) -> Server:
        return Server(self.url, Timeouts(self.lease_seconds or LEASE_SECONDS))

    @property
    def _machine(self) -> str:
        folder = real_path(self.manifest).parent if self.manifest is not None else Path.cwd()
        return f"{socket.gethostname()}:{folder}"

    def read(self) -> SqlStore:
        """Open the state as it is committed now, to read it; nothing is locked, written or created.

        Raises:
            InvalidInput: it is not an undamaged state of this campaign.
            Unfinished: the database is unreachable.
        """
        return self._connected(self._read)

    def open(self) -> SqlStore:
        """Open the state to write to it; its lease is held until it is closed.

        Raises:
            StateLocked: another run holds it.
            InvalidInput: it is not an undamaged state of this campaign; it is left as it is.
            Unfinished: the database is unreachable.
        """
        return self._connected(partial(self._open, secrets.token_hex(16)))

    def exists(self) -> bool:
        """Whether the database has a purchase of the campaign.

        Raises:
            InvalidInput, Unfinished: as `read`.
        """
        return self._connected(self._has_purchases)

    def holder(self) -> LeaseHolder | None:
        """The holder of the campaign's state; None if there is none.

        Raises:
            InvalidInput, Unfinished: as `read`.
        """
        return self._connected(self._holder)

    def stamp(self) -> object:
        """A token that changes whenever a run writes to the campaign's state.

        Raises:
            InvalidInput, Unfinished: as `read`.
        """
        return self._connected(self._turn)

    def parts(self) -> dict[str | None, PartStamp]:
        """The parts of the campaign that have a state; None stands for the whole campaign. Takes one connection.

        Raises:
            InvalidInput, Unfinished: as `read`.
        """
        return self._connected(self._parts)

    def _connected(self, use: Callable[[Connection], T]) -> T:
        """The result of `use` on a new connection, which stays open if `use` succeeds."""
        began_at, attempt = clock(), 0
        while True:
            try:
                return self._on_one_connection(use)
            except ConnectionLost as error:
                if clock() - began_at >= _OPENING_TIMEOUT:
                    raise self._server.out_of_reach(error) from None
                time.sleep(pause_before(attempt))
                attempt += 1

    def _on_one_connection(self, use: Callable[[Connection], T]) -> T:
        with ExitStack() as stack:
            connection = self._server.connect()
            stack.callback(connection.close)
            try:
                used = use(connection)
            except psycopg.Error as error:
                raise self._server.lost_or(error, connection) from error
            stack.pop_all()
        return used

    def _parts(self, connection: Connection) -> dict[str | None, PartStamp]:
        with connection:
            if not team_tables.are_there(self._server, connection):
                return {}
            found = connection.execute(_PARTS, {"campaign": self.campaign}).fetchall()
        return {
            None if name == self.campaign else name.partition("/")[2]: PartStamp(
                written=(epoch, turn), is_held=is_held
            )
            for name, epoch, turn, is_held in found
        }

    def _holder(self, connection: Connection) -> LeaseHolder | None:
        with connection:
            is_there = team_tables.are_there(self._server, connection)
            found = lease.holder_of(connection, self.campaign or "") if is_there else None
        return found if found is not None and found.is_other else None

    def _turn(self, connection: Connection) -> object:
        with connection:
            is_there = team_tables.are_there(self._server, connection)
            return connection.execute(_TURN, (self.campaign,)).fetchone() if is_there else None

    def _has_purchases(self, connection: Connection) -> bool:
        with connection:
            return (
                team_tables.are_there(self._server, connection)
                and connection.execute(_HAS_PURCHASES, (self.campaign,)).fetchone() is not None
            )

    def _read(self, connection: Connection) -> SqlStore:
        if not team_tables.are_there(self._server, connection):
            connection.close()
            empty = state_file.empty()
            database = SqliteDatabase(empty, Path(str(self.url)))
            return SqlStore(
                OpenDatabase(database=database, campaign=self._campaign_name(None), release=empty.close),
                self.run,
            )
        campaign = self._campaign_name(connection)
        name = part_name(campaign, self.part)
        self._assert_ours(connection, name)
        tables = PostgresDatabase(
            self._server,
            name,
            self._machine,
            connection=connection,
            earlier=team_tables.to_read(self._server, connection),
        )
        late_responses = self._late_responses(name, tables)
        opened = OpenDatabase(
            database=tables,
            campaign=campaign,
            release=tables.close,
            rescued=late_responses.held_as_far_as_seen(),
        )
        return _closed_when_dropped(opened, self.run)

    def _late_responses(self, name: str, tables: PostgresDatabase) -> LateResponses:
        return LateResponses(
            server=self._server, campaign=name, database=tables, file=self._rescue_file(name)
        )

    def _open(self, token: str, connection: Connection) -> SqlStore:
        team_tables.make(self._server, connection)
        campaign = self._campaign_name(connection)
        name = part_name(campaign, self.part)
        claim = Claim(
            campaign=name,
            manifest=self._assert_ours(connection, name),
            token=token,
            split=self.split,
            command=printable(self.command),
            machine=self._machine,
        )
        held = lease.acquire(self._server, connection, claim)
        with ExitStack() as stack:
            stack.callback(held.release)
            tables = PostgresDatabase(self._server, name, self._machine, lease=held, connection=connection)
            stack.callback(tables.close)
            held.start_renewing()
            late_responses = self._late_responses(name, tables)
            release = once_in_this_process(stack.pop_all().close)
        opened = OpenDatabase(
            database=tables, campaign=campaign, release=release, rescue=late_responses, is_held=held.is_held
        )
        return _closed_when_dropped(opened, self.run)

    def _rescue_file(self, name: str) -> Path | None:
        folder = self.folder if self.manifest is None else real_path(self.manifest).parent
        if folder is None:
            return None
        return rescue_path(folder / DEFAULT_FOLDER / f"{name.replace('/', '.')}.team")

    def _campaign_name(self, connection: Connection | None) -> str:
        """The name of the campaign: the one that was given, or the only one in the database."""
        if self.campaign is not None:
            return self.campaign
        found = connection.execute(_CAMPAIGNS).fetchall() if connection is not None else []
        if len(found) == 1:
            return str(found[0][0])
        names = ", ".join(printable(name) for (name,) in found) or "none"
        raise InvalidInput(
            f"{self.url}: the database holds the states of several campaigns or of none ({names}); "
            "name the results manifest of the one you mean"
        )

    def _assert_ours(self, connection: Connection, campaign: str) -> str:
        """The manifest's path relative to the project's root, which is the same on every machine.

        Raises:
            InvalidInput: the state belongs to another manifest of this project.
        """
        written = lease.manifest_of(connection, campaign)
        if self.manifest is None:
            return written or ""
        root = project_root(self.manifest)
        ours = os.path.relpath(real_path(self.manifest), root)
        if written and written != ours and os.path.exists(root / written):  # noqa: PTH110 - as in `opening`
            raise InvalidInput(
                f"{self.url}: the state of another manifest, {printable(written)}, which still exists; "
                "give each campaign a name of its own"
            )
        return ours


def _closed_when_dropped(opened: OpenDatabase, run: str) -> SqlStore:
    """The store, verified; if it is not closed, it is closed when it is garbage-collected."""
    try:
        store = SqlStore(opened, run, SqlStore(opened, run).verify())
    except BaseException:
        opened.release()
        raise
    weakref.finalize(store, opened.release)
    return store

"""Allows one run at a time: a lease, a row that says who holds a campaign's state and until when.

Session locks would not do: behind a pooler they are lost, or kept for ever. A lease expires by itself, by the
server's clock. The holder measures from before its request, on its own clock, so it never believes that it holds the
lease for longer than the server does. Each holder has an epoch, which every transaction that writes checks.
"""

import contextlib
import getpass
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline import system
from pipeline.errors import StateLocked, printable
from pipeline.state.postgres.connections import Connection, Server, durable, pause_before

# The file index is kept for this many machines, those seen last.
_MACHINES_KEPT = 8

_TIMES = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
_HOLDER = (
    f"SELECT holder, process, host, {_TIMES.format('since')}, {_TIMES.format('until')}, command, "  # noqa: S608
    "until > clock_timestamp() AND claim <> %s, manifest, epoch FROM pipeline.leases WHERE campaign = %s"
)
# After waiting for the row, the server evaluates the condition again, with the time at that moment.
_ACQUIRE = """
    INSERT INTO pipeline.leases AS held
        (campaign, manifest, epoch, turn, claim, holder, command, host, process, since, until)
    VALUES (%s, %s, 1, 0, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp() + %s * interval '1 second')
    ON CONFLICT (campaign) DO UPDATE SET
        manifest = excluded.manifest, epoch = held.epoch + 1, turn = 0, claim = excluded.claim,
        holder = excluded.holder, command = excluded.command, host = excluded.host,
        process = excluded.process, since = clock_timestamp(),
        until = clock_timestamp() + %s * interval '1 second'
    WHERE held.until <= clock_timestamp() OR held.claim = excluded.claim
    RETURNING epoch
"""
# Serializes the claims on one campaign, so that no lease is taken while another claim checks the division.
_ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_OTHERWISE_DIVIDED = """
    SELECT campaign FROM pipeline.leases
    WHERE (campaign = %(whole)s OR starts_with(campaign, %(whole)s || '/')) AND until > clock_timestamp()
        AND (split_part(split_part(campaign, '/', 2), '-of-', 2) <> %(part)s
            OR substr(claim, strpos(claim || ' ', ' ') + 1) <> %(split)s)
    LIMIT 1
"""
_RENEW = """
    UPDATE pipeline.leases SET until = clock_timestamp() + %s * interval '1 second'
    WHERE campaign = %s AND epoch = %s AND until > clock_timestamp()
    RETURNING epoch
"""
_RELEASE = "UPDATE pipeline.leases SET until = clock_timestamp() WHERE campaign = %s AND epoch = %s"
_SEE_MACHINE = """
    INSERT INTO pipeline.machines VALUES (%s, %s, clock_timestamp())
    ON CONFLICT (campaign, machine) DO UPDATE SET seen = excluded.seen
"""
_FORGET_MACHINES = """
    WITH kept AS (
        SELECT machine FROM pipeline.machines WHERE campaign = %s ORDER BY seen DESC LIMIT %s
    ), gone AS (
        DELETE FROM pipeline.machines WHERE campaign = %s AND machine NOT IN (SELECT machine FROM kept)
    )
    DELETE FROM pipeline.files_of_all WHERE campaign = %s AND machine NOT IN (SELECT machine FROM kept)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run's claim on a state; `machine` is where its files are.

    `token` is unique, so that a claim can be repeated if its response was lost. `split` names how the run divides the
    campaign.
    """

    campaign: str
    manifest: str
    token: str
    split: str = ""
    command: str
    machine: str

    @property
    def written(self) -> str:
        """The value in the row; what follows the first space is the split."""
        return f"{self.token} {self.split}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHolder:
    """The last holder of a state; `description` is for people; `is_other`: it still holds it, and is not this run."""

    description: str
    process: int
    since: str
    is_other: bool
    manifest: str
    epoch: int


def clock() -> float:
    """Monotonic seconds, which also advance while the machine sleeps."""
    return system.clock()


@dataclass(kw_only=True, eq=False)
class Lease:
    """The lease of this process on one campaign's state; it is renewed until it is released or lost.

    Once lost, it is never held again: another run may have written meanwhile.
    """

    server: Server
    campaign: str
    epoch: int
    held_until: float
    _is_lost: bool = field(default=False, init=False)
    _loss_message: str = field(default="", init=False)
    _released: threading.Event = field(default_factory=threading.Event, init=False)

    @property
    def seconds(self) -> float:
        """The length of the lease, from the moment of the request."""
        return self.server.timeouts.lease

    def is_held(self) -> bool:
        """Whether this run still holds the state, by its own clock: no query, and safe in any thread."""
        if clock() >= self.held_until:
            self._is_lost = True
        return not self._is_lost

    def assert_held(self) -> None:
        """Check that it is held.

        Raises:
            StateLocked: it is not; the message says who holds it now.
        """
        if not self.is_held():
            raise self.lost()

    def lost(self) -> StateLocked:
        """Mark the lease as lost, and return the error to raise."""
        self._is_lost = True
        # Looked up once: an unreachable server means a wait, and many writes may follow.
        self._loss_message = self._loss_message or self._loss()
        return StateLocked(self._loss_message)

    def _loss(self) -> str:
        message = f"{self.server.url}: this run no longer holds the state of '{self.campaign}'"
        try:
            with self.server.connect() as connection:
                holder = holder_of(connection, self.campaign)
        except Exception:  # noqa: BLE001 - the holder is only for the message
            holder = None
        if holder is not None and holder.epoch != self.epoch:
            message += f"; since then it was taken by {holder.description}"
        return (
            f"{message}: the process slept, or the database was unreachable, for longer than {self.seconds:.0f} "
            "seconds; it writes and buys nothing more; run again"
        )

    def renew(self, connection: Connection) -> bool:
        """Extend the lease; False if it is lost."""
        asked_at = clock()
        values = (self.seconds, self.campaign, self.epoch)
        if connection.execute(_RENEW, values).fetchone() is None:
            self._is_lost = True
            return False
        # Measured from before the request: however long the response took, the server's time started later.
        self.held_until = asked_at + self.seconds
        return True

    def start_renewing(self) -> None:
        """Start a thread that renews it every quarter of its length."""
        threading.Thread(target=self._keep, name="lease", daemon=True).start()

    def _keep(self) -> None:
        pause, failures = self.seconds / 4, 0
        while not self._released.wait(pause) and self.is_held():
            try:
                with contextlib.closing(self.server.connect()) as connection:
                    if not self.renew(connection):
                        return
            except Exception:  # noqa: BLE001 - any failure is retried as long as the lease lasts
                pause, failures = pause_before(failures), failures + 1
            else:
                pause, failures = self.seconds / 4, 0

    def release(self) -> None:
        """Release the lease if the server can be reached; otherwise it expires."""
        self._released.set()
        if not self.is_held():
            return
        self._is_lost = True
        with contextlib.suppress(Exception), contextlib.closing(self.server.connect()) as connection:
            connection.execute(_RELEASE, (self.campaign, self.epoch))


def manifest_of(connection: Connection, campaign: str) -> str | None:
    """The campaign's last manifest; None if the database does not know the campaign."""
    holder = holder_of(connection, campaign)
    return None if holder is None else holder.manifest


def acquire(server: Server, connection: Connection, claim: Claim) -> Lease:
    """Take the lease on a campaign, without waiting for another holder.

    Raises:
        StateLocked: another run holds it; the message says who, since when and until when.
        ConnectionLost: it is unknown whether it was taken; the same claim may be repeated.
    """
    asked_at = clock()
    holder = holder_of(connection, claim.campaign, claim.written)
    if holder is not None and holder.is_other:
        raise _locked(server, claim, holder)
    seconds = server.timeouts.lease
    who = (_user(), claim.command, socket.gethostname(), os.getpid())
    values = (claim.campaign, claim.manifest, claim.written, *who, seconds, seconds)
    with _transaction(connection, server):
        _assert_divided_alike(server, connection, claim)
        taken = connection.execute(_ACQUIRE, values).fetchone()
        if taken is not None:
            connection.execute(_SEE_MACHINE, (claim.campaign, claim.machine))
            connection.execute(
                _FORGET_MACHINES, (claim.campaign, _MACHINES_KEPT, claim.campaign, claim.campaign)
            )
    if taken is None:
        raise _locked(server, claim, holder_of(connection, claim.campaign, claim.written))
    return Lease(server=server, campaign=claim.campaign, epoch=taken[0], held_until=asked_at + seconds)


def _assert_divided_alike(server: Server, connection: Connection, claim: Claim) -> None:
    """Check that the runs at work divide the campaign in the same way: otherwise two could buy the same thing.

    Raises:
        StateLocked: one does not; the message says which.
    """
    whole, _, part = claim.campaign.partition("/")
    connection.execute(_ONE_BY_ONE, (whole,))
    values = {"whole": whole, "part": part.partition("-of-")[2], "split": claim.split}
    found = connection.execute(_OTHERWISE_DIVIDED, values).fetchone()
    if found is not None:
        at_work, ours = _run_of(found[0]), _run_of(claim.campaign)
        if found[0].partition("-of-")[2] == values["part"]:
            why = f"{at_work} knows other jobs, prices, selections, caps or decisions than {ours}, and is locked"
        else:
            why = f"{at_work} is running; {ours} must wait, as both may buy the same jobs: locked"
        raise _locked(server, claim, holder_of(connection, found[0]), why)


def _run_of(campaign: str) -> str:
    """What to call a run that holds the lease of a campaign or of one of its shards, `NAME/1-of-2`."""
    whole, _, part = campaign.partition("/")
    return (
        f"shard {part.replace('-of-', '/')} of '{whole}'" if part else f"a run of '{whole}' without --shard"
    )


@contextlib.contextmanager
def _transaction(connection: Connection, server: Server) -> Iterator[None]:
    """A durable transaction that waits for a dead holder's row only until the server ends that transaction."""
    # Durable: if a server crash lost the claim, another run would get the same epoch.
    with durable(connection):
        milliseconds = str(round(server.timeouts.lock * 1000))
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (milliseconds,))
        yield


def holder_of(connection: Connection, campaign: str, claim: str = "") -> LeaseHolder | None:
    """The last holder of a campaign's state, or None; `claim` is this run's own, as written, for `is_other`."""
    found: tuple[Any, ...] | None = connection.execute(_HOLDER, (claim, campaign)).fetchone()
    if found is None:
        return None
    holder, process, host, since, until, command, is_other, manifest, epoch = found
    text = f"{holder} (pid {process} on {host}) since {since} until {until} ({command})"
    return LeaseHolder(
        description=printable(text),
        process=process,
        since=since,
        is_other=is_other,
        manifest=manifest,
        epoch=epoch,
    )


def _locked(server: Server, claim: Claim, holder: LeaseHolder | None, why: str = "") -> StateLocked:
    who = "another run" if holder is None else holder.description
    default = f"'{claim.campaign}' is locked"
    return StateLocked(
        f"{server.url}: {why or default} by {who}; it is renewed while that run goes on; "
        "wait for it to end, or stop it: a run that was killed leaves it locked until that time"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run as a user without a name
        return "somebody"

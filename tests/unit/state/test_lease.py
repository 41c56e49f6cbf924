"""The lease on a team's state: who holds it, for how long, and what happens to a holder that loses it."""

import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from support.postgres import Database
from support.processes import PATIENCE, until
from support.protection import fails_without

from pipeline import system
from pipeline.errors import ExitCode, InvalidInput, StateLocked
from pipeline.jobs import JobKey
from pipeline.purchases import Records, Served, Status, WorkflowId
from pipeline.schemes import DatabaseUrl
from pipeline.state import state_file
from pipeline.state.events import Accepted, Disowned
from pipeline.state.postgres import lease, team_tables
from pipeline.state.postgres.connections import Connection, Server, Timeouts
from pipeline.state.postgres.lease import Claim
from pipeline.state.sql import rows
from pipeline.state.store import KnownResults
from state.conftest import NOW, StateHarness, begin, buy, intent, move, placed, purchase

pytestmark = pytest.mark.parametrize("harness", ["postgres"], indirect=True)

END = "UPDATE pipeline.leases SET until = clock_timestamp() - interval '1 second'"


def database_of(harness: StateHarness) -> Database:
    assert harness.database is not None
    return harness.database


def end_lease(harness: StateHarness) -> None:
    """Let the lease end by the server's clock, unknown to its holder."""
    database_of(harness).rows(END)


@pytest.fixture
def connection(harness: StateHarness) -> Iterator[Connection]:
    """A connection to a database with the tables."""
    harness.open().close()
    with closing(server_of(harness).connect()) as connected:
        yield connected


def server_of(harness: StateHarness) -> Server:
    return Server(DatabaseUrl(database_of(harness).url), Timeouts(60.0))


def claim(token: str = "mine") -> Claim:
    return Claim(
        campaign="spring", manifest="spring.yaml", token=token, command="pipeline run", machine="here"
    )


def test_second_run_is_told_the_holder_and_its_times(harness: StateHarness) -> None:
    harness.open()

    with pytest.raises(StateLocked) as caught:
        harness.open("run-2")

    assert caught.value.exit_code == ExitCode.LOCKED
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    who = rf"\(pid {os.getpid()} on {re.escape(socket.gethostname())}\) since {moment} until {moment} \(pipeline\)"
    assert re.search(who, str(caught.value)), str(caught.value)


@fails_without(
    "pipeline.state.postgres.lease:",
    "_ACQUIRE =",
    swap=("WHERE held.until <= clock_timestamp() OR held.claim = excluded.claim", ""),
)
def test_one_of_two_concurrent_claims_succeeds(
    harness: StateHarness, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lease.acquire(server_of(harness), connection, claim("first"))
    # The second read the lease as free just before, which was true then.
    monkeypatch.setattr(lease, "_HOLDER", lease._HOLDER.replace("until > clock_timestamp() AND", "false AND"))

    with pytest.raises(StateLocked):
        lease.acquire(server_of(harness), connection, claim("second"))

    assert first.renew(connection)


@fails_without(
    "pipeline.state.postgres.team_tables:",
    "_VERSIONED =",
    swap=(
        "SELECT 1 FROM pg_tables WHERE schemaname = 'pipeline' AND tablename = 'version'",
        "SELECT 1 WHERE to_regclass('pipeline.version') IS NOT NULL",
    ),
)
def test_concurrent_creation_of_the_tables_is_serialised(
    harness: StateHarness,
) -> None:
    server, database = server_of(harness), database_of(harness)
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with (
        closing(server.connect()) as first,
        closing(server.connect()) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        assert not team_tables.are_there(server, second)
        with first.transaction():
            first.execute("SELECT pg_advisory_xact_lock(%s)", (team_tables._LOCK,))
            waiting = pool.submit(team_tables.make, server, second)
            until(lambda: bool(database.rows(waits)), "the second to wait")
            team_tables.make(server, first)
        waiting.result(timeout=PATIENCE)

    harness.open().close()


def test_tables_equal_those_of_a_state_file(harness: StateHarness, connection: Connection) -> None:
    with closing(state_file.empty()) as empty:
        names = [name for (name,) in empty.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        in_a_file = {
            name: [column for _, column, *_ in empty.execute(f"PRAGMA table_info({name})")] for name in names
        }
    rows = connection.execute(
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_schema = 'pipeline' AND table_name IN "
        "(SELECT viewname FROM pg_views WHERE schemaname = 'pipeline') GROUP BY table_name"
    ).fetchall()

    # The holder is recorded in the lease.
    assert dict(rows) == {name: columns for name, columns in in_a_file.items() if name != "meta"}


@pytest.mark.parametrize("version", range(1, len(team_tables._MIGRATIONS)))
def test_tables_of_an_earlier_version_are_read_as_they_are_and_migrated_by_the_next_run(
    harness: StateHarness, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(team_tables, "_MIGRATIONS", team_tables._MIGRATIONS[:version])
    with closing(server_of(harness).connect()) as connected:
        team_tables.make(server_of(harness), connected)
    database, bought = database_of(harness), purchase()
    columns = "campaign, id, revision, status, key, fingerprint, cost, run, document"
    add = f"INSERT INTO pipeline.purchases_of_all ({columns})"
    values = (
        bought.id,
        1,
        *(rows.columns(bought)[each] for each in (0, 2, 3, 4)),
        "run-1",
        rows.text_of(bought),
    )
    database.rows(f"{add} VALUES ('spring', %s, %s, %s, %s, %s, %s, %s, %s)", *values)
    database.rows(
        "INSERT INTO pipeline.served_of_all (campaign, key, purchase) VALUES ('spring', %s, %s)",
        bought.key,
        bought.id,
    )
    monkeypatch.undo()
    wanted = Records({bought.id: bought}, {bought.key: Served(purchase=bought.id)})

    assert harness.read().records() == wanted
    assert harness.read().known_results() == KnownResults()
    store = harness.open("run-2")
    assert store.records() == wanted
    store.save_assignment({bought.key: bought.id}, KnownResults(joined="a", inputs="b"))
    assert harness.read().known_results() == KnownResults(joined="a", inputs="b")


def test_claim_with_a_lost_response_can_be_repeated(harness: StateHarness, connection: Connection) -> None:
    lost = lease.acquire(server_of(harness), connection, claim())

    again = lease.acquire(server_of(harness), connection, claim())

    assert again.epoch > lost.epoch
    assert again.renew(connection)


def test_closed_state_is_free_immediately(harness: StateHarness) -> None:
    bought = buy(harness.open())
    assert harness.again(harness.opened[-1]).records().purchases.keys() == {bought.id}


@fails_without(
    "pipeline.state.postgres.transactions:PostgresDatabase.begin",
    "if lease is not None and found !=",
)
def test_holder_whose_lease_was_taken_cannot_write(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    end_lease(harness)
    second = harness.open("run-2")

    for write in (
        lambda: begin(store, [intent(2)]),
        lambda: store.save_assignment({JobKey("a"): bought.id}),
    ):
        with pytest.raises(
            StateLocked, match="no longer holds the state of 'spring'; since then it was taken by"
        ):
            write()

    assert second.records().purchases == {bought.id: bought}
    assert not store.is_held()


@fails_without(
    "pipeline.state.postgres.transactions:",
    "_FENCE =",
    swap=(" AND until > clock_timestamp()", ""),
)
def test_holder_of_an_expired_lease_cannot_write(harness: StateHarness) -> None:
    store = harness.open()
    end_lease(harness)

    with pytest.raises(StateLocked):
        buy(store)

    assert harness.read().records().purchases == {}


@fails_without("pipeline.state.postgres.lease:", "_RENEW =", swap=(" AND until > clock_timestamp()", ""))
def test_expired_lease_is_not_renewed(harness: StateHarness, connection: Connection) -> None:
    held = lease.acquire(server_of(harness), connection, claim())
    end_lease(harness)

    assert not held.renew(connection)
    assert not held.is_held()


class Clock:
    """The holder's clock, which a test sets; it advances by the next of `steps` on each read."""

    def __init__(self, *steps: float) -> None:
        self.now = 1000.0
        self._steps = list(steps)

    def __call__(self) -> float:
        now, self.now = self.now, self.now + (self._steps.pop(0) if self._steps else 0.0)
        return now


@fails_without(
    "pipeline.state.postgres.lease:acquire",
    "return Lease(server=server",
    swap=("asked_at + seconds", "clock() + seconds"),
)
def test_lease_counts_from_before_the_request(
    harness: StateHarness, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(59.0)
    monkeypatch.setattr(lease, "clock", clock)

    held = lease.acquire(server_of(harness), connection, claim())

    assert held.is_held()
    clock.now += 1.0
    assert not held.is_held()


@fails_without(
    "pipeline.state.postgres.lease:Lease.renew",
    "self.held_until =",
    swap=("asked_at", "clock()"),
)
def test_renewal_counts_from_before_the_request(
    harness: StateHarness, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = lease.acquire(server_of(harness), connection, claim())
    clock = Clock(59.0)
    monkeypatch.setattr(lease, "clock", clock)
    assert held.renew(connection)

    assert held.is_held()
    clock.now += 1.0
    assert not held.is_held()


@fails_without("pipeline.state.postgres.lease:Lease.is_held", "if clock() >= self.held_until:")
def test_holder_that_slept_through_its_lease_knows_for_good_without_asking(
    harness: StateHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = harness.open()
    clock = Clock()
    clock.now = lease.clock() + 61.0
    with monkeypatch.context() as asleep:
        asleep.setattr(lease, "clock", clock)
        assert not store.is_held()

    assert not store.is_held()
    with pytest.raises(StateLocked, match="longer than 60 seconds"):
        buy(store)


@fails_without("pipeline.system:", "_CLOCK:", swap=("CLOCK_BOOTTIME", "CLOCK_MONOTONIC_RAW"))
@pytest.mark.skipif(
    not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that counts its sleep"
)
def test_lease_clock_includes_suspend_time(harness: StateHarness) -> None:
    assert system._CLOCK == time.CLOCK_BOOTTIME


@fails_without("pipeline.state.postgres.team_state:TeamState._open", "held.start_renewing()")
def test_lease_is_renewed_while_the_run_lasts(harness: StateHarness) -> None:
    harness.lease_seconds = 2.0
    harness.open()
    database = database_of(harness)
    ((first,),) = database.rows("SELECT until FROM pipeline.leases")

    until(
        lambda: bool(database.rows("SELECT 1 FROM pipeline.leases WHERE until > %s", first)),
        "the lease to be renewed",
    )

    with pytest.raises(StateLocked):
        harness.open("run-2")


def test_creates_under_way_of_the_loser_need_attention(harness: StateHarness) -> None:
    store = harness.open()
    unanswered = buy(store)
    end_lease(harness)

    second = harness.open("run-2")
    second.recover(NOW)

    assert second.records().purchases[unanswered.id].status is Status.ATTENTION


@fails_without("pipeline.state.postgres.late_responses:LateResponses._append", "self._append_once(values)")
def test_late_response_is_taken_up_once_by_the_next_holder(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    end_lease(harness)
    second = harness.open("run-2")
    second.recover(NOW)

    store.rescue(bought.id, WorkflowId("w-late"))

    # The holder of the state knows it immediately, and records it at the next start.
    assert second.records().purchases[bought.id].workflow_id == "w-late"
    third = harness.again(second, "run-3")
    (change,) = third.recover(NOW)
    assert (change.after.status, change.after.workflow_id) == (Status.SUBMITTED, "w-late")
    disowned = move(third, change.after, Disowned("another's"))
    # A rescued id that was recorded does not come again.
    assert harness.again(third, "run-4").recover(NOW) == []
    assert harness.opened[-1].records().purchases[bought.id] == disowned
    assert len(database_of(harness).rows("SELECT 1 FROM pipeline.receipts")) == 1


def test_campaigns_in_one_database_are_separate(harness: StateHarness) -> None:
    spring = harness.open()
    autumn = harness.open(campaign="autumn", manifest=harness.folder / "autumn.yaml")
    mine, other = buy(spring, 1, 5), buy(autumn, 1, 7)
    spring.save_assignment({JobKey("a"): mine.id})
    move(autumn, other, Accepted(WorkflowId("w")))

    assert harness.read().records().purchases == {mine.id: mine}
    assert harness.read(campaign="autumn", manifest=harness.folder / "autumn.yaml").records().served == {}
    assert (spring.spent().ever, autumn.spent().ever) == (5, 7)
    assert [event.event for event in spring.events(mine.id)] == ["intent"]


def test_state_of_another_existing_manifest_is_rejected(harness: StateHarness) -> None:
    harness.open().close()
    other = harness.folder / "other.yaml"
    other.touch()

    with pytest.raises(InvalidInput, match=r"another manifest, spring\.yaml"):
        harness.open(manifest=other)

    harness.manifest.unlink()
    harness.open(manifest=other).close()
    assert harness.read(manifest=other).records().purchases == {}


def test_files_are_known_only_on_their_machine(harness: StateHarness) -> None:
    store = harness.open()
    store.index_files([placed("a.mp4")])
    store.close()
    clone = harness.folder / "clone"
    (clone / ".git").mkdir(parents=True)
    (clone / "spring.yaml").touch()

    assert harness.read(manifest=clone / "spring.yaml").files() == []
    assert harness.read().files() == [placed("a.mp4")]


@fails_without(
    "pipeline.state.postgres.connections:",
    "DURABLE =",
    swap=("WHEN 'off' THEN 'on'", "WHEN 'off' THEN 'off'"),
)
def test_commit_is_synchronous_whatever_the_database_default(harness: StateHarness) -> None:
    database = database_of(harness)
    ((name,),) = database.rows("SELECT current_database()")
    database.rows(f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = harness.open()

    with store._opened.database.writing() as transaction:
        assert transaction.rows("SHOW synchronous_commit") == [("on",)]


TELL = """
    CREATE TABLE told (of_what text, value text);
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO told VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NEW; END $$;
    CREATE TRIGGER tell BEFORE INSERT ON pipeline.leases FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE TRIGGER tell BEFORE INSERT ON pipeline.receipts FOR EACH ROW EXECUTE FUNCTION tell();
"""


@fails_without("pipeline.state.postgres.connections:durable", "connection.execute(")
def test_lease_and_late_response_are_committed_synchronously(
    harness: StateHarness, connection: Connection
) -> None:
    database = database_of(harness)
    ((name,),) = database.rows("SELECT current_database()")
    with database.connect() as other:
        other.execute(TELL)
    database.rows(f"ALTER DATABASE {name} SET synchronous_commit = off")

    harness.open().rescue(intent().purchase.id, WorkflowId("wf-1"))

    assert set(database.rows("SELECT * FROM public.told")) == {("leases", "on"), ("receipts", "on")}


@fails_without("pipeline.state.postgres.connections:Server.connect", "connection.isolation_level =")
def test_waiting_transaction_sees_earlier_commits_whatever_the_isolation_default(
    harness: StateHarness, connection: Connection
) -> None:
    server, database = server_of(harness), database_of(harness)
    ((name,),) = database.rows("SELECT current_database()")
    database.rows(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    half, third = (replace(claim(part), campaign=f"spring/{part}") for part in ("1-of-2", "1-of-3"))
    with (
        closing(server.connect()) as first,
        closing(server.connect()) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        with first.transaction():
            lease.acquire(server, first, half)
            waiting = pool.submit(lease.acquire, server, second, third)
            until(lambda: bool(database.rows(waits)), "the second to wait")
        with pytest.raises(StateLocked, match="shard 1/2 of 'spring' is running; shard 1/3 of 'spring' must"):
            waiting.result(timeout=PATIENCE)


def test_message_says_which_part_is_running_and_what_must_wait(
    harness: StateHarness, connection: Connection
) -> None:
    server = server_of(harness)
    part = replace(claim("part"), campaign="spring/1-of-2")
    with closing(server.connect()) as first:
        lease.acquire(server, first, part)
        with pytest.raises(
            StateLocked,
            match=r"shard 1/2 of 'spring' is running; a run of 'spring' without --shard must wait, .* locked by",
        ):
            lease.acquire(server, connection, claim("whole"))


def test_fork_does_not_release_the_lease(harness: StateHarness) -> None:
    store = harness.open()
    child = os.fork()
    if child == 0:
        store.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    buy(store)


def test_server_is_named_without_its_password(harness: StateHarness) -> None:
    url = database_of(harness).url.replace("postgres:@", "postgres:hunt%40er2@")
    assert "er2" not in str(DatabaseUrl(url))
    assert "er2" not in repr(DatabaseUrl(url))
    assert "er2" not in DatabaseUrl(url).argument
    assert DatabaseUrl(url).without_secrets("no: hunt@er2, hunt%40er2") == "no: …, …"

"""Lost connections to a team's database: what was acknowledged is stored once, the rest is known not to be."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.postgres import PostgresServer
from support.processes import until
from support.protection import fails_without
from support.proxy import Proxy

from pipeline.errors import ExitCode, InvalidInput, PipelineError, StateLocked, Unfinished
from pipeline.purchases import WorkflowId
from pipeline.schemes import DatabaseUrl
from pipeline.state.events import Accepted
from pipeline.state.opening import open_store
from pipeline.state.postgres import late_responses
from pipeline.state.sql import statements
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Turn
from state.conftest import NOW, UNCAPPED, StateHarness, begin, buy, intent, step

pytestmark = pytest.mark.parametrize("harness", ["postgres"], indirect=True)


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    with Proxy(*postgres.socket) as listening:
        yield listening


def open_behind(harness: StateHarness, proxy: Proxy) -> SqlStore:
    """Open the state through the proxy."""
    assert harness.database is not None
    store = open_store(
        DatabaseUrl(harness.database.behind(proxy.host, proxy.port)),
        campaign="spring",
        manifest=harness.manifest,
        run="run-1",
        writable=True,
        now=NOW,
        lease_seconds=harness.lease_seconds,
    )
    harness.opened.append(store)
    return store


def assert_written_once(harness: StateHarness, number: int) -> None:
    read = harness.read()
    assert len(read.records().purchases) == number
    for purchase_id in read.records().purchases:
        assert [event.event for event in read.events(purchase_id)][:1] == ["intent"]


@fails_without("pipeline.state.postgres.transactions:PostgresTransaction.commit", "if self._was_committed():")
def test_commit_with_a_lost_response_is_known_to_have_happened(harness: StateHarness, proxy: Proxy) -> None:
    store = open_behind(harness, proxy)
    proxy.forget_next_answer_to_commit()

    written = begin(store, [intent(1), intent(2)])

    assert len(proxy.links) > 1
    assert [each.id for each in written] == [intent(1).purchase.id, intent(2).purchase.id]
    assert_written_once(harness, 2)
    buy(store, 3)
    assert_written_once(harness, 3)


@fails_without("pipeline.state.postgres.transactions:PostgresTransaction.commit", "self._again()")
def test_commit_that_never_arrived_is_repeated(harness: StateHarness, proxy: Proxy) -> None:
    store = open_behind(harness, proxy)
    bought = buy(store, 1)
    proxy.drop_next_commit()

    accepted = step(bought, Accepted(WorkflowId("w1")))
    store.commit_turn(Turn(changes=[accepted], intents=[intent(2)]), UNCAPPED)

    assert_written_once(harness, 2)
    assert harness.read().records().purchases[bought.id] == accepted.after


@fails_without("pipeline.state.postgres.transactions:", "_OUTCOME =", swap=(" FOR UPDATE", ""))
def test_commit_that_arrives_late_is_awaited(harness: StateHarness, proxy: Proxy) -> None:
    store = open_behind(harness, proxy)
    database = harness.database
    assert database is not None
    proxy.hold_next_commit()
    answered = proxy.note_answer_to(b"SELECT epoch, turn FROM pipeline.leases")
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(begin, store, [intent(1)])
        until(lambda: answered.is_set() or bool(database.rows(waits)), "somebody to ask what became of it")
        proxy.deliver()

        assert len(written.result()) == 1
    assert_written_once(harness, 1)


@fails_without(
    "pipeline.state.postgres.transactions:PostgresDatabase.was_committed", "if epoch != lease.epoch:"
)
def test_commit_followed_by_another_holder_is_not_assumed(harness: StateHarness, proxy: Proxy) -> None:
    store = open_behind(harness, proxy)
    database = harness.database
    assert database is not None
    proxy.forget_next_answer_to_commit()
    # The last transaction of the successor happens to have the same number as ours.
    taken = "UPDATE pipeline.leases SET epoch = epoch + 1 WHERE turn = 1"
    accept = proxy._connect
    proxy._connect = lambda client: (database.rows(taken), accept(client))[1]  # type: ignore[method-assign]

    with pytest.raises(StateLocked):
        begin(store, [intent(1)])


def test_connection_lost_in_a_transaction_is_reopened(harness: StateHarness, proxy: Proxy) -> None:
    store = open_behind(harness, proxy)
    with store._opened.database.writing() as transaction:
        transaction.rows(statements.ADD_DURATION, "a", 1.0)
        for link in proxy.links:
            link.close()
        transaction.rows(statements.ADD_DURATION, "b", 2.0)

    assert harness.read().durations() == {"a": 1.0, "b": 2.0}


@fails_without(
    "pipeline.state.postgres.connections:Connection.wait",
    "return super().wait(_within_silence",
    swap=("_within_silence(gen, self.longest_silence)", "gen"),
)
def test_silent_network_failure_is_noticed(harness: StateHarness, proxy: Proxy) -> None:
    harness.lease_seconds = 6.0
    store = open_behind(harness, proxy)
    buy(store, 1)
    proxy.swallow()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(buy, store, 2).result(timeout=30).id == intent(2).purchase.id

    assert_written_once(harness, 2)


def test_repeatedly_killed_server_loses_nothing(harness: StateHarness, postgres: PostgresServer) -> None:
    if postgres.data is None:
        pytest.skip("the server that PIPELINE_TEST_POSTGRES_URL names cannot be killed")
    store = harness.open()
    killed = threading.Event()

    def buy_on() -> int:
        number = 0
        while not killed.is_set():
            number += 1
            buy(store, number)
        return number

    with ThreadPoolExecutor(1) as pool:
        bought = pool.submit(buy_on)
        for _ in range(5):
            postgres.kill()
            postgres.start()
        killed.set()
        assert_written_once(harness, bought.result(timeout=60))


@fails_without(
    "pipeline.state.postgres.late_responses:LateResponses.append",
    "try:",
    swap=("file.append(purchase_id, workflow_id)", "pass"),
)
def test_id_that_cannot_be_stored_in_the_database_is_kept_on_this_machine(
    harness: StateHarness, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_responses, "_TIMEOUT", 0.0)
    store = open_behind(harness, proxy)
    bought = buy(store)
    proxy.close()

    store.rescue(bought.id, WorkflowId("w-late"))

    store.close()
    assert harness.database is not None
    harness.database.rows("UPDATE pipeline.leases SET until = clock_timestamp()")
    (change,) = harness.open("run-2").recover(NOW)
    assert change.after.workflow_id == "w-late"
    assert harness.again(harness.opened[-1], "run-3").recover(NOW) == []


def test_unreachable_server_has_the_exit_code_of_a_temporary_failure(
    harness: StateHarness,
) -> None:
    harness.database = None
    with pytest.raises(Unfinished, match="unreachable") as caught:
        _open(harness, "postgresql://u:hunter2@127.0.0.1:1/x")

    assert caught.value.exit_code is ExitCode.UNFINISHED
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["database", "user"])
def test_denied_access_has_the_exit_code_of_a_configuration_error(harness: StateHarness, wrong: str) -> None:
    assert harness.database is not None
    url = harness.database.url
    url = (
        url.replace("/test_", "/no_") if wrong == "database" else url.replace("postgres:@", "nobody:hunter2@")
    )

    with pytest.raises(InvalidInput, match="does not exist") as caught:
        _open(harness, url)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["postgresql://h/x?hunter2", "postgresql://u:hunter2@h/x?nonsense=1", "postgresql://[::1/x"]
)
def test_url_rejected_by_libpq_is_a_usage_error(harness: StateHarness, text: str) -> None:
    with pytest.raises(PipelineError) as caught:
        _open(harness, text)

    assert caught.value.exit_code is ExitCode.USAGE
    assert "hunter2" not in str(caught.value)


def _open(harness: StateHarness, url: str) -> SqlStore:
    return open_store(
        DatabaseUrl(url), campaign="spring", manifest=harness.manifest, run="r", writable=True, now=NOW
    )


def test_tables_of_a_newer_version_are_unchanged(harness: StateHarness) -> None:
    harness.open().close()
    assert harness.database is not None
    harness.database.rows("UPDATE pipeline.version SET version = 99")

    for attempt in (harness.open, harness.read):
        with pytest.raises(InvalidInput, match="newer version"):
            attempt()


def test_invalid_row_is_damage(harness: StateHarness) -> None:
    buy(harness.open())
    harness.opened[-1].close()
    assert harness.database is not None
    harness.database.rows("UPDATE pipeline.purchases_of_all SET cost = 99")

    for attempt in (harness.open, harness.read):
        with pytest.raises(InvalidInput, match="damaged"):
            attempt()
    # After that nobody holds the lease.
    harness.database.rows("UPDATE pipeline.purchases_of_all SET cost = 5")
    harness.open().close()

"""Receipts in a team's database: stored by the machine that is called, processed by the holder of the state."""

from pathlib import Path

import pytest
from support.postgres import Database, PostgresServer
from support.protection import fails_without

from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.schemes import DatabaseUrl
from pipeline.webhooks.receipt import MAX_NAMED, Receipt, ReceiptInbox
from pipeline.webhooks.spool import Spool, SpoolReader, TeamSpool, spool_at

ONE, OTHER = PurchaseId("0" * 15 + "1"), PurchaseId("0" * 15 + "2")


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.database()


def spool_of(database: Database, campaign: str = "spring") -> TeamSpool:
    found = spool_at(DatabaseUrl(database.url), Path("unused"), campaign, None)
    assert isinstance(found, TeamSpool)
    return found


def receipt(*named: str, purchase: PurchaseId = ONE) -> Receipt:
    return Receipt(purchase, tuple(map(WorkflowId, named)))


def test_state_file_keeps_its_receipts_in_a_folder(tmp_path: Path) -> None:
    assert isinstance(spool_at(tmp_path / "spring.db", tmp_path, "spring", None), Spool)


def test_receipt_of_one_machine_is_processed_by_another_and_then_removed(
    database: Database,
) -> None:
    heard, inbox = spool_of(database), ReceiptInbox()
    for each in (receipt("wf-1"), receipt("wf-1"), receipt("wf-2", "..", "wf-3", purchase=OTHER), receipt()):
        heard.put(each)
    reader = SpoolReader(spool_of(database), inbox)

    assert set(reader.look()) == {receipt("wf-1"), receipt("wf-2", "wf-3", purchase=OTHER), receipt()}
    assert reader.look() == reader.look()
    reader.forget([receipt("wf-1"), receipt("wf-9")])

    assert set(spool_of(database).receipts()) == {receipt("wf-1"), receipt("wf-9")}
    assert list(spool_of(database, "autumn").receipts()) == []
    # The table only grows; a receipt that comes again after it was processed waits again.
    assert database.rows("SELECT count(*) FROM pipeline.receipts") == [(4,)]
    heard.put(receipt())
    assert receipt() in set(spool_of(database).receipts())


@fails_without(
    "pipeline.state.postgres.webhook_receipts:",
    "_PUT =",
    swap=("purchase = %s) <= %s", "purchase = %s) + %s > 0"),
)
def test_caller_with_one_address_cannot_fill_the_database(database: Database) -> None:
    spool = spool_of(database)
    for number in range(20):
        spool.put(receipt(f"wf-{number}"))

    assert len(list(spool.receipts())) <= MAX_NAMED + 1


def test_kept_receipt_knows_how_long_ago_the_vendor_called(database: Database) -> None:
    spool = spool_of(database)
    spool.put(receipt("wf-1"))
    database.rows("UPDATE pipeline.receipts SET at = at - interval '1 hour'")

    (kept,) = spool.receipts()

    assert kept.age >= 3600


def test_unreachable_database_stops_nothing(database: Database) -> None:
    away = spool_at(DatabaseUrl("postgresql://127.0.0.1:1/x"), Path("unused"), "spring", None)
    reader = SpoolReader(away, ReceiptInbox())

    assert reader.look() == []
    reader.forget([receipt("wf-1")])


def test_each_of_several_equal_calls_prompts_a_poll_of_a_workflow_that_still_runs(database: Database) -> None:
    serving, inbox = spool_of(database), ReceiptInbox()
    reader = SpoolReader(spool_of(database), inbox)

    for _ in range(2):
        serving.put(receipt("wf-1"))
        assert reader.look(lambda each: each == ONE) == []
        assert inbox.take_all() == [receipt("wf-1")]

    assert list(serving.receipts()) == []

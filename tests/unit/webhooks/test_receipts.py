"""A webhook is only a hint: little is stored, whatever it contains and however often it comes."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.webhooks.receipt import MAX_NAMED, Receipt, ReceiptInbox, workflows_in
from pipeline.webhooks.spool import Spool, SpoolReader

ONE, OTHER = PurchaseId("0" * 15 + "1"), PurchaseId("0" * 15 + "2")


def receipt(*named: str, purchase: PurchaseId = ONE) -> Receipt:
    return Receipt(purchase, tuple(map(WorkflowId, named)))


@pytest.mark.parametrize("name", ["workflow_id", "batch_id", "media_id", "id"])
def test_vendor_may_use_any_field_name_for_the_id(name: str) -> None:
    assert workflows_in(json.dumps({name: "wf-1", "status": "success"}).encode()) == ("wf-1",)


def test_integer_is_an_id_as_in_the_response_to_a_create() -> None:
    assert workflows_in(b'{"id": 4711}') == ("4711",)


def test_several_ids_are_several_hints() -> None:
    assert workflows_in(b'{"id": "b", "workflow_id": "a", "batch_id": "a"}') == ("a", "b")


@pytest.mark.parametrize("odd", [b"1" * 5000, b'"\t\1"'])
def test_odd_value_beside_the_id_does_not_hide_it(odd: bytes) -> None:
    assert workflows_in(b'{"id": "wf-1", "took": ' + odd + b"}") == ("wf-1",)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"wf-1"', b"{", b"\xff\xfe", b"[" * 60_000, b'{"id": -7}', b'{"id": null}'),
        *(b'{"id": "../x"}', b'{"id": ""}', b'{"id": ["wf-1"]}', b'{"id": "' + b"a" * 129 + b'"}'),
        b'{"id": "wf-1\\n"}',
        b'{"id": ' + b"1" * 5000 + b"}",
        *(b'{"id": true}', b'{"id": 7.5}', b'{"id": ".."}'),
    ],
)
def test_invalid_id_is_not_a_hint(body: bytes) -> None:
    assert workflows_in(body) == ()


@given(st.binary(max_size=200))
def test_any_body_is_harmless(body: bytes) -> None:
    assert len(workflows_in(body)) <= 4


def test_repeated_calls_for_one_purchase_are_one_receipt() -> None:
    inbox = ReceiptInbox()
    for number in range(1000):
        inbox.put(receipt(f"wf-{number}"))
    inbox.put(receipt("wf-1", purchase=OTHER))

    taken = inbox.take_all()

    assert [each.purchase for each in taken] == [ONE, OTHER]
    assert len(taken[0].named) == MAX_NAMED
    assert inbox.take_all() == []


def test_listener_is_woken_once_until_receipts_are_taken() -> None:
    inbox, woken = ReceiptInbox(), []
    inbox.on_receipt(lambda: woken.append(1))

    inbox.put(receipt())
    inbox.put(receipt("wf-1"))
    assert len(woken) == 1

    inbox.take_all()
    inbox.put(receipt())
    assert len(woken) == 2


def test_kept_receipts_are_read_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / ".pipeline" / "webhooks")
    kept = {receipt("wf-1"), receipt(), receipt("wf-2", "wf-3", purchase=OTHER)}
    for each in (*kept, *kept):
        spool.put(each)

    assert set(Spool(tmp_path / ".pipeline" / "webhooks").receipts()) == kept
    assert (tmp_path / ".pipeline" / "webhooks").stat().st_mode & 0o077 == 0

    spool.remove([receipt("wf-1")])
    assert set(spool.receipts()) == kept - {receipt("wf-1")}


def test_kept_receipt_knows_how_long_ago_the_vendor_called(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(receipt("wf-1"))
    (path,) = tmp_path.glob("*.json")
    an_hour_ago = path.stat().st_mtime - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))

    spool.put(receipt("wf-1"))

    (kept,) = spool.receipts()
    assert kept.age >= 3600


@fails_without("pipeline.webhooks.spool:Spool._put_if_new", "if name not in names and len(names) > MAX_NAMED")
def test_caller_with_one_address_cannot_fill_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(100):
        spool.put(receipt(f"wf-{number}"))

    assert len(list(tmp_path.glob("*.json"))) <= MAX_NAMED + 1


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"purchase": 1, "workflows": []}', '{"purchase": "../../etc", "workflows": []}'),
        *(
            '{"purchase": "0000000000000001", "workflows": "wf"}',
            '{"purchase": "0000000000000001", "workflows": [1]}',
        ),
    ],
)
def test_invalid_receipt_file_is_skipped(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    (tmp_path / "b.json").mkdir()

    assert list(Spool(tmp_path).receipts()) == []


@pytest.mark.parametrize("workflow_id", [".", "..", "a/b"])
def test_stored_receipt_that_names_an_invalid_id_is_skipped(tmp_path: Path, workflow_id: str) -> None:
    Spool(tmp_path).put(receipt(workflow_id))

    assert list(Spool(tmp_path).receipts()) == []


def test_missing_spool_is_empty(tmp_path: Path) -> None:
    assert list(Spool(tmp_path / "none").receipts()) == []


def test_only_processed_receipts_are_forgotten(tmp_path: Path) -> None:
    spool, inbox = Spool(tmp_path), ReceiptInbox()
    for each in (receipt("wf-1"), receipt("wf-2", purchase=OTHER)):
        spool.put(each)
    reader = SpoolReader(spool, inbox)

    assert len(reader.look()) == len(reader.look()) == 2
    assert len(inbox.take_all()) == 2
    reader.forget([receipt("wf-1"), receipt("wf-9")])

    assert set(spool.receipts()) == {receipt("wf-1"), receipt("wf-9")}


@fails_without("pipeline.webhooks.spool:SpoolReader.look", "self._spool.remove(hints)", swap=("hints", "()"))
def test_each_of_several_equal_calls_prompts_a_poll_of_a_workflow_that_still_runs(tmp_path: Path) -> None:
    """The first one may be for an earlier step, and the last one is the one that counts."""
    serving, inbox = Spool(tmp_path), ReceiptInbox()
    reader = SpoolReader(Spool(tmp_path), inbox)

    for _ in range(3):
        serving.put(receipt("wf-1"))
        assert reader.look(lambda each: each == ONE) == []
        assert inbox.take_all() == [receipt("wf-1")]
    reader.look(lambda each: each == ONE)

    assert inbox.take_all() == []
    assert list(serving.receipts()) == []


def test_receipt_taken_before_the_create_was_answered_prompts_one_more_poll_once_that_is_polled(
    tmp_path: Path,
) -> None:
    serving, inbox = Spool(tmp_path), ReceiptInbox()
    reader = SpoolReader(Spool(tmp_path), inbox)
    serving.put(receipt("wf-1"))
    reader.look(lambda _: False)
    inbox.take_all()
    serving.put(receipt("wf-1"))  # equal to one that is stored, so only that tells of it

    reader.look(lambda _: True)

    assert inbox.take_all() == [receipt("wf-1")]
    assert list(serving.receipts()) == []
    reader.forget([receipt("wf-1")])
    assert list(serving.receipts()) == [receipt("wf-1")]

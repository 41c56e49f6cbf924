"""A state knows which intents it recorded itself: no merge changes that, and an export includes it."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pipeline.purchases import UNDECIDED, PurchaseId, Records, WorkflowId
from pipeline.state import snapshot
from pipeline.state.events import Accepted
from pipeline.state.sql.database import Database, Transaction
from pipeline.state.store import Imported, Sighting
from state.conftest import NOW, StateHarness, buy, move, purchase

ON_EVERY_DATABASE = True


def test_intent_stays_recorded_in_later_runs(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)

    assert store.recorded() == {bought.id}
    assert harness.again(store).recorded() == {bought.id}
    assert harness.read().recorded() == {bought.id}


def test_merged_purchase_is_not_recorded_however_often_it_comes(harness: StateHarness) -> None:
    store = harness.open()
    stranger = purchase()
    for _ in range(2):
        store.absorb(Records({stranger.id: stranger}), UNDECIDED, NOW)

    assert stranger.id in store.records().purchases
    assert store.recorded() == frozenset()


def test_export_and_import_keep_it(new_harness: Callable[[], StateHarness]) -> None:
    store = new_harness().open()
    bought = buy(store)
    exported = json.loads(json.dumps(store.export()))
    store.close()
    harness = new_harness()
    fresh = harness.open("run-2")
    # First as another machine's: an import of the same purchase makes it this state's own.
    fresh.absorb(Records({bought.id: bought}), UNDECIDED, NOW)
    assert fresh.recorded() == frozenset()

    read = snapshot.read(exported, "x.json")
    fresh.absorb(read.records, UNDECIDED, NOW, read.imported)

    assert fresh.recorded() == {bought.id}
    assert harness.again(fresh, "run-3").recorded() == {bought.id}


def test_import_counts_towards_no_cap_of_this_run(harness: StateHarness) -> None:
    store = harness.open("run-1")
    stranger = purchase()
    store.absorb(Records({stranger.id: stranger}), UNDECIDED, NOW, Imported(recorded={stranger.id}))
    assert store.look(Sighting()).runs == {stranger.id: ""}

    assert (store.spent().creates, store.spent().credits) == (0, 0)


def test_imported_id_without_a_purchase_is_ignored(harness: StateHarness) -> None:
    store = harness.open()
    store.absorb(Records(), UNDECIDED, NOW, Imported(recorded={PurchaseId("f" * 16)}))

    assert store.recorded() == frozenset()


def test_export_includes_purchases_known_elsewhere(harness: StateHarness) -> None:
    store = harness.open()
    own, stranger = buy(store), purchase(2)
    known = Records({own.id: own, stranger.id: stranger})

    exported = store.export(known)

    assert len(snapshot.read(json.loads(json.dumps(exported)), "x.json").records.purchases) == 2


def test_export_during_a_run_is_a_consistent_snapshot(harness: StateHarness) -> None:
    """Data read earlier, when the command opened the state, is not exported together with later events."""
    store = harness.open()
    first = buy(store)
    reader = harness.read()
    known = reader.records()
    move(store, first, Accepted(WorkflowId("w1")))
    second = buy(store, 2)

    exported = snapshot.read(json.loads(json.dumps(reader.export(known))), "x.json")

    # A file is read as of the time it was opened, a database as of now.
    told = exported.records.purchases.keys()
    assert told in ({first.id}, {first.id, second.id})
    assert exported.imported.recorded == told
    assert {each.purchase for each in exported.imported.events} == told
    was_accepted = any(each.event == "accepted" for each in exported.imported.events)
    assert was_accepted == (exported.records.purchases[first.id].workflow_id == "w1")
    reader.close()


def test_export_uses_one_transaction(harness: StateHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    store = harness.open()
    buy(store)
    reader = harness.read()
    known = reader.records()
    begun = []
    reading = type(reader._database).reading

    def counted(database: Database) -> AbstractContextManager[Transaction]:
        begun.append(database)
        return reading(database)

    monkeypatch.setattr(type(reader._database), "reading", counted)

    reader.export(known)

    assert len(begun) == 1
    reader.close()

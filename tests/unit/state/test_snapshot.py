import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from purchase_strategies import purchases, records
from support.postgres import PostgresServer

from pipeline.errors import InvalidInput
from pipeline.jobs import JobKey
from pipeline.join import join
from pipeline.json_values import Json
from pipeline.purchases import UNDECIDED, Purchase, Records, Served, Status, WorkflowId
from pipeline.state import snapshot
from pipeline.state.events import Accepted, Reported, Unresolved, VendorFailed
from pipeline.state.store import Turn
from state.conftest import NOW, UNCAPPED, StateHarness, buy, move, purchase


@given(records)
def test_export_reads_back(held: Records) -> None:
    written = json.loads(json.dumps(snapshot.write("spring", held, [], {})))
    assert snapshot.read(written, "x.json") == snapshot.Snapshot("spring", held)


@given(purchases())
def test_any_purchase_survives_the_round_trip(bought: Purchase) -> None:
    held = Records({bought.id: bought})
    written = json.loads(json.dumps(snapshot.write("spring", held, [], {})))
    assert snapshot.read(written, "x.json").records == held


def test_state_moves_to_another_machine_by_export_and_import(harness: StateHarness) -> None:
    store = harness.open()
    done = move(store, buy(store), Accepted(WorkflowId("w1")))
    store.save_assignment({JobKey("hero/overlay"): done.id})
    exported = json.loads(json.dumps(store.export()))
    assert [event["event"] for event in exported["events"]] == ["intent", "accepted"]
    store.close()
    harness.state.rename(harness.state.with_name("kept.db"))
    fresh = harness.open("run-2")
    fresh.absorb(snapshot.read(exported, "x.json").records, UNDECIDED, NOW)
    assert fresh.records() == Records({done.id: done}, {JobKey("hero/overlay"): Served(purchase=done.id)})


def test_repeated_import_or_into_a_newer_state_changes_nothing(harness: StateHarness) -> None:
    store = harness.open()
    bought = move(store, buy(store), Accepted(WorkflowId("w1")))
    old = snapshot.read(json.loads(json.dumps(store.export())), "x.json").records
    failed = move(store, bought, VendorFailed("no"))
    assert (
        store.absorb(old, UNDECIDED, NOW) == store.absorb(old, UNDECIDED, NOW) == join(store.records(), old)
    )
    assert store.records().purchases == {failed.id: failed}


def an_export() -> dict[str, Any]:
    made = replace(purchase(), status=Status.SUBMITTED, workflow_id=WorkflowId("w1"))
    exported: dict[str, Any] = json.loads(
        json.dumps(snapshot.write("spring", Records({made.id: made}), [], {}))
    )
    return exported


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        an_export() | {"version": 2},
        an_export() | {"campaign": 1},
        an_export() | {"purchases": {}},
        an_export() | {"served": {"a": 1}},
        an_export() | {"served": {"": "0" * 16}},
        an_export() | {"serials": [1]},
        an_export() | {"serials": {"a": 0}},
        an_export() | {"serials": {"a": True}},
        an_export() | {"serials": {"a": 10**9 + 1}},
    ],
)
def test_invalid_export_is_rejected_by_name(document: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^x\.json: "):
        snapshot.read(document, "x.json")


@pytest.mark.parametrize(
    "damage",
    [
        {"id": 5},
        {"status": "paid"},
        {"credits": "many"},
        {"credits": True},
        {"outputs": [{"content_type": 1}]},
        {"outputs": 7},
        {"request": []},
        {"deleted": "yes"},
        {"inputs": [1]},
        {"surprise": 1},
    ],
)
def test_every_invalid_purchase_is_named(damage: dict[str, Any]) -> None:
    document = an_export()
    good = document["purchases"][0]
    document["purchases"] = [good, good | {"id": "b" * 16} | damage, "text"]
    with pytest.raises(InvalidInput) as caught:
        snapshot.read(document, "x.json")
    assert [problem.message.partition(": not")[0] for problem in caught.value.problems] == [
        "x.json: purchases[1]",
        "x.json: purchases[2]",
    ]


def test_duplicate_purchase_is_rejected() -> None:
    document = an_export()
    document["purchases"] *= 2
    with pytest.raises(InvalidInput, match="twice"):
        snapshot.read(document, "x.json")


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgres"), ("postgres", "sqlite")])
def test_campaign_moves_between_databases_without_loss(
    tmp_path: Path, postgres: PostgresServer, source: str, target: str
) -> None:
    one, other = StateHarness(tmp_path / "one"), StateHarness(tmp_path / "other")
    for harness, kind in ((one, source), (other, target)):
        harness.folder.mkdir()
        harness.manifest.touch()
        harness.database = postgres.database() if kind == "postgres" else None
    store = one.open()
    lost = move(store, buy(store, 1), Unresolved("no answer \0"))
    done = move(store, buy(store, 2), Accepted(WorkflowId("w2")), Reported(credits=7))
    store.save_assignment({JobKey("hero/overlay"): done.id})
    store.commit_turn(Turn(durations=[("slow", 12.5)]), UNCAPPED)
    exported = json.loads(json.dumps(store.export()))
    store.close()

    moved = other.open()
    # The results manifest beside the manifest was merged earlier.
    moved.absorb(Records({done.id: done}), UNDECIDED, NOW)
    for _ in range(2):
        read = snapshot.read(json.loads(json.dumps(exported)), "x.json")
        moved.absorb(read.records, UNDECIDED, NOW, read.imported)
    again = other.again(moved)

    assert again.records() == read.records
    assert again.recorded() == {lost.id, done.id}
    assert again.durations() == {"slow": 12.5}
    assert again.spent().ever == 12
    for bought in (lost, done):
        events = [event for event in again.events(bought.id) if event.event != "joined"]
        assert [asdict(event) for event in events] == [
            event for event in exported["events"] if event["purchase"] == bought.id
        ]
    # Later changes are written on top of it.
    failed = move(again, done, VendorFailed("no"))
    assert other.again(again, "run-3").records().purchases[done.id] == failed
    assert [event.event for event in other.opened[-1].events(done.id)][-1] == "vendor-failed"
    for each in other.opened:
        each.close()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("events", 5),
        ("events", [{"purchase": "x"}]),
        ("events", [{"purchase": "f" * 16, "at": "", "event": "", "before": 5, "after": "", "detail": ""}]),
        ("durations", []),
        ("durations", {"slow": "fast"}),
        ("durations", {"slow": -1}),
        ("durations", {"\0": 1}),
        ("durations", {"slow": 10**400}),
    ],
)
def test_invalid_history_is_rejected(part: str, value: Json) -> None:
    with pytest.raises(InvalidInput, match=part):
        snapshot.read({**an_export(), part: value}, "x.json")

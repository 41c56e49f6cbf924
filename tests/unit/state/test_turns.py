"""One turn of the coordinator in one transaction: outcomes, intents within the caps, files, durations."""

from dataclasses import replace

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput, PipelineError
from pipeline.purchases import Records, WorkflowId
from pipeline.state.events import Accepted, NothingBought, Unresolved, VendorFailed
from pipeline.state.store import Caps, Spent, Turn
from state.conftest import UNCAPPED, StateHarness, buy, intent, move, placed, purchase, step

ON_EVERY_DATABASE = True
FILE = placed("a.mp4")


def test_everything_a_turn_brought_is_on_disk(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store, 1)
    accepted = step(bought, Accepted(WorkflowId("w1")))
    wanted = intent(2)
    turn = Turn(
        changes=[accepted], intents=[wanted], files=[FILE], durations=[("slow", 10.0), ("slow", 20.0)]
    )

    (written,) = store.commit_turn(turn, UNCAPPED)

    assert (written.before, written.after, written.event) == (None, wanted.purchase, None)
    again = harness.again(store)
    assert again.records() == Records({each.id: each for each in (accepted.after, wanted.purchase)})
    assert again.files() == [FILE]
    assert again.durations() == {"slow": pytest.approx(15)}
    assert [event.event for event in again.events(bought.id)] == ["intent", "accepted"]


def test_turn_that_cannot_be_written_leaves_nothing(harness: StateHarness) -> None:
    store = harness.open()
    first, second = buy(store, 1), buy(store, 2)
    stale = step(first, Unresolved("late"))
    move(store, first, Accepted(WorkflowId("w1")))
    held = store.records()
    changes = [step(second, Accepted(WorkflowId("w2"))), stale]

    with pytest.raises(PipelineError, match=first.id):
        store.commit_turn(
            Turn(changes=changes, intents=[intent(3)], files=[FILE], durations=[("slow", 1.0)]), UNCAPPED
        )

    assert store.records() == held
    assert store.files() == []
    assert store.durations() == {}
    assert store.spent() == Spent(creates=2, credits=10, ever=10)


def test_intents_stop_at_a_cap_and_everything_else_is_written(
    harness: StateHarness,
) -> None:
    store = harness.open()
    accepted = step(buy(store, 1, 3), Accepted(WorkflowId("w1")))
    intents = [intent(2, 3), intent(3, 5), intent(4, 1)]

    written = store.commit_turn(Turn(changes=[accepted], intents=intents, files=[FILE]), Caps(max_credits=7))

    assert [change.after.id for change in written] == [intents[0].purchase.id]
    assert store.records().purchases.keys() == {accepted.after.id, intents[0].purchase.id}
    assert store.files() == [FILE]
    assert store.spent() == Spent(creates=2, credits=6, ever=6)


def test_credits_freed_in_a_turn_are_available_to_its_intents(harness: StateHarness) -> None:
    store = harness.open()
    void = step(buy(store, 1, 5), NothingBought("not sent"))
    written = store.commit_turn(Turn(changes=[void], intents=[intent(2, 5), intent(3, 5)]), Caps(budget=5))
    assert [change.after.id for change in written] == [purchase(2).id]


def test_earlier_purchases_without_a_price_count_at_that_of_the_caps(harness: StateHarness) -> None:
    store = harness.open()
    buy(store, 1, None)
    move(store, buy(store, 2, None), NothingBought("not sent"))
    caps = Caps(budget=10, price_of=lambda _purchase: 5)

    unknown = store.commit_turn(Turn(intents=[intent(3, 1)]), Caps(budget=10))
    known = store.commit_turn(Turn(intents=[intent(4, 5), intent(5, 1)]), caps)

    assert unknown == []
    assert [change.after.id for change in known] == [purchase(4).id]
    assert store.spent() == Spent(creates=2, credits=5, ever=5, unpriced=1)
    assert store.spent(caps) == Spent(creates=2, credits=5, ever=10)


def test_superseded_flag_applies_to_changes_of_the_same_turn(harness: StateHarness) -> None:
    store = harness.open()
    old = move(store, buy(store, 1), Accepted(WorkflowId("w1")))
    failed = step(old, VendorFailed("no"))

    written = store.commit_turn(Turn(changes=[failed], intents=[intent(2, 5, old.id)]), UNCAPPED)

    assert [(change.before, change.after) for change in written] == [
        (None, purchase(2)),
        (failed.after, replace(failed.after, again=True)),
    ]
    assert store.records().purchases[old.id] == replace(failed.after, again=True)


@fails_without(
    "pipeline.state.sql.store:SqlStore.commit_turn",
    "written = changes_of(mirror",
    swap=("allowed(turn.intents, mirror.spent_under(caps), caps)", "turn.intents"),
)
def test_superseded_flag_is_withheld_with_its_intent(harness: StateHarness) -> None:
    store = harness.open()
    old = move(store, buy(store, 1), Accepted(WorkflowId("w1")))
    assert not store.commit_turn(Turn(intents=[intent(2, 5, old.id)]), Caps(max_creates=1))
    assert not store.records().purchases[old.id].again


def test_purchase_superseded_twice_is_flagged_once(harness: StateHarness) -> None:
    store = harness.open()
    old = move(store, buy(store, 1), Accepted(WorkflowId("w1")))
    written = store.commit_turn(Turn(intents=[intent(2, 5, old.id), intent(3, 5, old.id)]), UNCAPPED)
    assert [change.after.id for change in written] == [purchase(2).id, old.id, purchase(3).id]
    assert store.records().purchases[old.id].again
    assert not store.commit_turn(Turn(intents=[intent(4, 5, old.id)]), UNCAPPED)[1:]


def test_unpriced_turn_is_not_written_under_a_cap_on_credits(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store, 1)
    accepted = step(bought, Accepted(WorkflowId("w1")))
    with pytest.raises(InvalidInput, match="overlay_gray_5443"):
        store.commit_turn(Turn(changes=[accepted], intents=[intent(2, None)]), Caps(budget=100))
    assert store.records().purchases == {bought.id: bought}


@pytest.mark.parametrize("harness", ["sqlite"], indirect=True)
def test_empty_turn_writes_nothing(harness: StateHarness) -> None:
    store = harness.open()
    before = harness.wal.read_bytes()
    assert not store.commit_turn(Turn(), UNCAPPED)
    assert harness.wal.read_bytes() == before


def test_file_moved_in_a_turn_is_indexed_at_its_new_path(harness: StateHarness) -> None:
    store = harness.open()
    store.commit_turn(Turn(files=[FILE]), UNCAPPED)
    store.commit_turn(Turn(files=[replace(FILE, path="b.mp4")], removed=["a.mp4"]), UNCAPPED)
    assert harness.again(store).files() == [replace(FILE, path="b.mp4")]

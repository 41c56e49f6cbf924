"""What a store guarantees, for every kind of storage."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from purchase_strategies import decisions, purchases, records
from support.protection import fails_without

from pipeline.errors import InvalidInput, PipelineError
from pipeline.jobs import JobKey
from pipeline.purchases import (
    UNDECIDED,
    Decisions,
    Output,
    Purchase,
    PurchaseId,
    Records,
    Served,
    Status,
    WorkflowId,
)
from pipeline.state.events import (
    Accepted,
    Fetched,
    Finished,
    NothingBought,
    Rejected,
    Reported,
    Superseded,
    Unresolved,
)
from pipeline.state.recovery import absorb
from pipeline.state.store import Caps, Change, Sighting, Spent, Turn
from state.conftest import NOW, UNCAPPED, StateHarness, begin, buy, intent, move, placed, purchase, step

ON_EVERY_DATABASE = True
ANY_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def test_purchase_advances_and_each_step_is_stored(harness: StateHarness) -> None:
    store = harness.open()
    output = Output("video/mp4", sha256="ab" * 32, bytes=3)
    done = move(
        store,
        buy(store),
        Accepted(WorkflowId("w1")),
        Finished((output,)),
        Fetched((output,)),
    )
    reopened = harness.again(store)
    assert reopened.records().purchases == {done.id: done}
    assert done.status is Status.DONE
    assert [(event.event, event.before, event.after) for event in reopened.events(done.id)] == [
        ("intent", None, "submitting"),
        ("accepted", "submitting", "submitted"),
        ("finished", "submitted", "succeeded"),
        ("fetched", "succeeded", "done"),
    ]


def test_second_look_reads_only_changes(harness: StateHarness) -> None:
    store = harness.open()
    bought = [buy(store, number) for number in range(9)]
    first = store.look(Sighting())
    moved = move(store, bought[3], Accepted(WorkflowId("w1")))
    another = buy(store, 9)

    then = store.look(first)

    assert then.records.purchases == store.records().purchases
    assert then.records.purchases[moved.id] == moved
    kept = [
        each for each, purchase in first.records.purchases.items() if then.records.purchases[each] is purchase
    ]
    assert sorted(kept) == sorted(each.id for each in bought if each.id != moved.id)
    assert set(then.runs) == {*first.runs, another.id}
    assert len(set(then.runs.values())) == 1
    assert store.look(then) == then


def test_change_to_a_stale_copy_is_rejected_with_its_whole_batch(
    harness: StateHarness,
) -> None:
    store = harness.open()
    first, second = buy(store, 1), buy(store, 2)
    move(store, first, Accepted(WorkflowId("w1")))
    held = store.records()
    stale = [
        step(second, Accepted(WorkflowId("w2"))),
        step(first, Unresolved("late")),
    ]
    with pytest.raises(PipelineError, match=first.id):
        store.commit(stale)
    assert store.records() == held
    assert len(store.events(second.id)) == 1


def test_stale_copy_with_the_same_status_is_rejected_too(harness: StateHarness) -> None:
    store = harness.open()
    submitted = move(store, buy(store), Accepted(WorkflowId("w1")))
    marked = move(store, submitted, Superseded())
    with pytest.raises(PipelineError):
        store.commit([step(submitted, Reported(credits=9))])
    assert store.records().purchases[marked.id] == marked


def test_steps_of_one_purchase_may_be_in_one_batch(harness: StateHarness) -> None:
    store = harness.open()
    accepted = step(buy(store), Accepted(WorkflowId("w1")))
    finished = step(accepted.after, Finished(()))
    store.commit([accepted, finished])
    assert store.records().purchases == {finished.after.id: finished.after}


def test_intent_is_written_once(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    with pytest.raises(PipelineError):
        begin(store, [intent()])
    assert len(store.events(bought.id)) == 1


@fails_without("pipeline.state.sql.store:SqlStore.commit_turn", "if any((change.before is")
def test_plain_commit_cannot_write_an_intent(harness: StateHarness) -> None:
    store = harness.open()
    with pytest.raises(PipelineError):
        store.commit([Change(before=None, after=purchase(), at=NOW)])
    assert store.records() == Records()


def test_intents_stop_before_the_first_that_would_exceed_a_cap(harness: StateHarness) -> None:
    store = harness.open()
    intents = [intent(number, price) for number, price in enumerate((3, 3, 5, 1))]
    assert begin(store, intents, Caps(max_credits=7)) == [each.purchase for each in intents[:2]]
    assert len(store.records().purchases) == 2
    assert store.spent() == Spent(creates=2, credits=6, ever=6)


def test_creates_count_for_this_run_and_the_budget_for_all(harness: StateHarness) -> None:
    store = harness.open("run-1")
    buy(store, 1, 5)
    second = harness.again(store, "run-2")
    assert second.spent() == Spent(ever=5)
    caps = Caps(max_creates=1, max_credits=6, budget=10)
    assert not begin(second, [intent(2, 6)], caps)
    assert begin(second, [intent(2, 4), intent(3, 1)], caps) == [purchase(2, 4)]
    assert second.spent() == Spent(creates=1, credits=4, ever=9)
    assert harness.again(second, "run-2").spent() == Spent(creates=1, credits=4, ever=9)


@fails_without(
    "pipeline.purchases:is_free",
    "return status ==",
    swap=("== Status.VOID", "in {Status.VOID, Status.ATTENTION}"),
)
def test_void_purchase_frees_its_credits_and_a_lost_outcome_does_not(harness: StateHarness) -> None:
    store = harness.open()
    caps = Caps(max_creates=3, budget=10)
    move(store, buy(store, 1, 5), NothingBought("not sent"))
    assert store.spent() == Spent()
    move(store, buy(store, 2, 5), Rejected("no such template"))
    assert store.spent() == Spent(creates=1)
    move(store, buy(store, 3, 5), Unresolved("timed out"))
    assert store.spent() == Spent(creates=2, credits=5, ever=5)
    assert begin(store, [intent(4, 5)], caps)
    assert not begin(store, [intent(5, 0)], caps)


def test_charged_credits_replace_the_expected_price(harness: StateHarness) -> None:
    store = harness.open()
    move(store, buy(store, 1, 5), Accepted(WorkflowId("w1")), Reported(credits=8))
    assert store.spent() == Spent(creates=1, credits=8, ever=8)


@given(
    prices=st.lists(st.integers(0, 4), max_size=8),
    caps=st.builds(
        Caps, **dict.fromkeys(("max_creates", "max_credits", "budget"), st.none() | st.integers(0, 8))
    ),
    batch=st.integers(1, 4),
)
@ANY_FOLDER
def test_no_buying_order_exceeds_a_cap(
    new_harness: Callable[[], StateHarness], prices: list[int], caps: Caps, batch: int
) -> None:
    harness = new_harness()
    store = harness.open()
    intents = [intent(number, price) for number, price in enumerate(prices)]
    for start in range(0, len(intents), batch):
        begin(store, intents[start : start + batch], caps)
    spent = store.spent()
    costs = [each.cost for each in harness.again(store).records().purchases.values()]
    harness.opened[-1].close()
    assert spent == Spent(creates=len(costs), credits=sum(costs), ever=sum(costs))
    assert caps.max_creates is None or spent.creates <= caps.max_creates
    assert caps.max_credits is None or spent.credits <= caps.max_credits
    assert caps.budget is None or spent.ever <= caps.budget


@fails_without("pipeline.state.sql.store:SqlStore.commit_turn", "assert_priced(turn.intents, caps")
@pytest.mark.parametrize("caps", [Caps(max_credits=100), Caps(budget=100)])
def test_unpriced_job_is_not_bought_under_a_cap_on_credits(harness: StateHarness, caps: Caps) -> None:
    store = harness.open()
    with pytest.raises(InvalidInput, match="overlay_gray_5443"):
        begin(store, [intent(1, 5), intent(2, None)], caps)
    assert store.records() == Records()


def test_unanswered_creates_of_a_crashed_run_need_attention(harness: StateHarness) -> None:
    store = harness.open()
    unanswered = buy(store, 1)
    answered = move(store, buy(store, 2), Accepted(WorkflowId("w2")))
    second = harness.again(store)
    changes = second.recover(NOW)
    assert [change.before for change in changes] == [unanswered]
    assert second.records().purchases[unanswered.id].status is Status.ATTENTION
    assert second.records().purchases[answered.id] == answered
    assert not second.recover(NOW)


@fails_without(
    "pipeline.state.sql.store:SqlStore.recover",
    "changes = [Change(before=purchase",
    swap=("recovery(purchase, rescued.get(purchase.id)", "recovery(purchase"),
)
@pytest.mark.parametrize("lost_first", [False, True])
def test_rescued_id_is_restored_once_at_the_next_start(harness: StateHarness, lost_first: bool) -> None:
    store = harness.open()
    bought = buy(store)
    if lost_first:
        bought = move(store, bought, Unresolved("the answer could not be stored"))
    store.rescue(bought.id, WorkflowId("w-rescued"))
    second = harness.again(store)
    (change,) = second.recover(NOW)
    assert change.after.workflow_id == "w-rescued"
    assert change.after.status is Status.SUBMITTED
    assert harness.again(second, "run-3").recover(NOW) == []


@pytest.mark.parametrize("lost_first", [False, True])
def test_rescued_id_is_visible_to_readers(harness: StateHarness, lost_first: bool) -> None:
    store = harness.open()
    bought = buy(store)
    if lost_first:
        bought = move(store, bought, Unresolved("the answer could not be stored"))
    assert harness.read().records().purchases[bought.id].workflow_id is None
    store.rescue(bought.id, WorkflowId("w-rescued"))

    seen = harness.read().records().purchases[bought.id]
    store.close()
    left = harness.read().records().purchases[bought.id]

    assert (seen.status, seen.workflow_id) == (Status.SUBMITTED, "w-rescued")
    assert left == seen
    reader = harness.read()
    first = reader.look(Sighting())
    assert first.records.purchases[bought.id] == seen
    assert reader.look(first) == first
    assert harness.open("run-2").recover(NOW)[0].after == seen


@fails_without(
    "pipeline.state.sql.store:SqlStore.recover",
    "self._rescue.forget",
    swap=("mirror.purchases", "rescued"),
)
def test_rescued_id_of_an_unknown_purchase_is_kept(harness: StateHarness) -> None:
    store = harness.open()
    store.rescue(PurchaseId("f" * 16), WorkflowId("w-elsewhere"))
    second = harness.again(store)
    assert second.recover(NOW) == []
    third = harness.again(second, "run-3")
    third.absorb(
        Records({PurchaseId("f" * 16): replace(purchase(), id=PurchaseId("f" * 16))}), UNDECIDED, NOW
    )
    assert [change.after.workflow_id for change in third.recover(NOW)] == ["w-elsewhere"]


def test_unanswered_create_of_another_machine_needs_attention(harness: StateHarness) -> None:
    store = harness.open()
    theirs = purchase(7)
    joined = store.absorb(Records({theirs.id: theirs}), UNDECIDED, NOW)
    assert joined.purchases[theirs.id].status is Status.ATTENTION
    assert store.records() == joined
    assert [event.event for event in store.events(theirs.id)] == ["joined"]


def test_own_create_under_way_is_not_lost(harness: StateHarness) -> None:
    store = harness.open()
    mine = buy(store)
    store.absorb(Records({mine.id: mine}), UNDECIDED, NOW)
    assert store.records().purchases[mine.id] == mine


def test_purchases_of_other_machines_count_only_towards_the_budget(harness: StateHarness) -> None:
    store = harness.open()
    theirs = replace(purchase(7, 9), status=Status.DONE, workflow_id=WorkflowId("w7"))
    store.absorb(Records({theirs.id: theirs}), UNDECIDED, NOW)
    assert store.spent() == Spent(ever=9)
    assert not begin(store, [intent(1, 2)], Caps(budget=10))


@given(mine=records, theirs=records, said=decisions)
@ANY_FOLDER
def test_state_holds_the_result_of_the_merge(
    new_harness: Callable[[], StateHarness], mine: Records, theirs: Records, said: Decisions
) -> None:
    harness = new_harness()
    store = harness.open()
    held = store.absorb(mine, said, NOW)
    joined = store.absorb(theirs, said, NOW)
    assert joined == store.records() == absorb(held, theirs, said)
    assert store.absorb(theirs, said, NOW) == joined
    assert harness.again(store).records() == joined
    harness.opened[-1].close()


@given(written=st.lists(purchases(), max_size=4))
@ANY_FOLDER
def test_any_server_text_is_stored_unchanged(
    new_harness: Callable[[], StateHarness], written: list[Purchase]
) -> None:
    harness = new_harness()
    store = harness.open()
    settled = [each for each in written if each.status is not Status.SUBMITTING]
    kept = {each.id: each for each in settled}
    store.absorb(Records(kept), UNDECIDED, NOW)
    assert store.records().purchases == kept
    store.close()


def test_detail_with_a_nul_or_a_lone_surrogate_does_not_break_the_history(harness: StateHarness) -> None:
    store = harness.open()
    change = step(buy(store), Unresolved("no answer"))
    store.commit([replace(change, detail="raw: \0 \ud800")])
    _, event = store.events(purchase().id)
    assert event.detail == "raw: \\0 \\ud800"


def test_assignment_of_a_key_is_stored_and_others_are_kept(harness: StateHarness) -> None:
    store = harness.open()
    one, two = buy(store, 1), buy(store, 2)
    store.save_assignment({JobKey("a"): one.id, JobKey("b"): one.id})
    store.save_assignment({JobKey("b"): two.id})
    assert harness.again(store).records().served == {
        JobKey("a"): Served(purchase=one.id),
        JobKey("b"): Served(purchase=two.id, serial=2),
    }


def test_files_are_indexed_moved_and_removed(harness: StateHarness) -> None:
    store = harness.open()
    first = placed("a.mp4")
    second = replace(placed("b.mp4"), slot="steps/2/0", mtime_ns=2**60)
    store.index_files([first, second])
    store.index_files([replace(first, path="c.mp4"), replace(second, sha256="c" * 64)], removed=["a.mp4"])
    assert harness.again(store).files() == [replace(second, sha256="c" * 64), replace(first, path="c.mp4")]


def test_many_files_are_indexed_at_once(harness: StateHarness) -> None:
    store = harness.open()
    store.index_files(placed(f"{number:04}.mp4") for number in range(1200))
    store.index_files([], removed=[f"{number:04}.mp4" for number in range(1199)])
    assert [file.path for file in store.files()] == ["1199.mp4"]


def test_durations_are_averaged_per_template(harness: StateHarness) -> None:
    store = harness.open()
    for seconds in (10, 20, 60):
        store.commit_turn(Turn(durations=[("slow", seconds)]), UNCAPPED)
    store.commit_turn(Turn(durations=[("fast", 1.5)]), UNCAPPED)
    assert harness.again(store).durations() == {"slow": pytest.approx(30), "fast": 1.5}


def test_reader_sees_the_commit_it_was_opened_at(harness: StateHarness) -> None:
    store = harness.open()
    first = buy(store, 1)
    reading = harness.read()
    buy(store, 2)
    assert list(reading.records().purchases) == [first.id]
    assert len(harness.read().records().purchases) == 2


def test_reader_cannot_write(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    reading = harness.read()
    for write in (
        lambda: begin(reading, [intent(2)]),
        lambda: reading.commit([step(bought, Accepted(WorkflowId("w")))]),
        lambda: reading.save_assignment({JobKey("a"): bought.id}),
        lambda: reading.recover(NOW),
    ):
        with pytest.raises(PipelineError):
            write()
    assert store.records().purchases == {bought.id: bought}


@fails_without(
    "pipeline.state.sql.sqlite:SqliteDatabase.writing",
    "if self.rows(statements.EPOCH",
    swap=("!= [(self._epoch.number,)]", "== []"),
)
@pytest.mark.parametrize("harness", ["sqlite"], indirect=True)
def test_run_that_lost_the_state_to_another_cannot_write(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    # Somebody deletes the lock file, and a second run opens the state.
    harness.state.with_name("spring.db.lock").unlink()
    second = harness.open("run-2")
    for write in (
        lambda: begin(store, [intent(2)]),
        lambda: store.save_assignment({JobKey("a"): bought.id}),
    ):
        with pytest.raises(InvalidInput, match="another run"):
            write()
    assert second.records().purchases == {bought.id: bought}

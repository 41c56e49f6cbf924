"""What a state remembers of the results manifest written from it."""

import contextlib
import sqlite3

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput, PipelineError
from pipeline.jobs import JobKey
from pipeline.purchases import UNDECIDED, PurchaseId, Records
from pipeline.state.events import NothingBought
from pipeline.state.store import KnownResults
from state.conftest import NOW, StateHarness, buy, move, purchase

ON_EVERY_DATABASE = True
WRITTEN = KnownResults(joined="a" * 64, inputs="b" * 64)
CHANGED = KnownResults(joined="a" * 64)


def test_results_are_remembered_until_rewritten(harness: StateHarness) -> None:
    store = harness.open()
    buy(store)
    assert store.known_results() == KnownResults()
    store.save_assignment({}, WRITTEN)
    assert harness.read().known_results() == store.known_results() == WRITTEN
    store = harness.again(store)
    assert store.known_results() == WRITTEN
    store.save_assignment({}, CHANGED)
    assert harness.again(store).known_results() == CHANGED


@fails_without("pipeline.state.sql.store:SqlStore._apply", "if changes")
def test_changed_purchase_invalidates_them(harness: StateHarness) -> None:
    store = harness.open()
    store.save_assignment({}, WRITTEN)
    bought = buy(store)
    assert store.known_results() == CHANGED
    store.save_assignment({}, WRITTEN)
    move(store, bought, NothingBought("no"))
    assert harness.again(store).known_results() == CHANGED


def test_purchase_of_another_machine_invalidates_them(harness: StateHarness) -> None:
    store = harness.open()
    store.save_assignment({}, WRITTEN)
    theirs = purchase(7)
    store.absorb(Records({theirs.id: theirs}), UNDECIDED, NOW)
    assert harness.again(store).known_results() == CHANGED


@fails_without("pipeline.state.sql.store:_serve", "if news")
def test_changed_assignment_invalidates_them(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    store.save_assignment({JobKey("a"): bought.id}, WRITTEN)
    store.save_assignment({JobKey("a"): bought.id})
    assert store.known_results() == WRITTEN
    store.save_assignment({JobKey("b"): bought.id})
    assert harness.again(store).known_results() == CHANGED


def test_failed_transaction_forgets_nothing(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    store.save_assignment({}, WRITTEN)
    with pytest.raises(PipelineError, match="no longer as this step found it"):
        move(store, purchase(2), NothingBought("no"))
    assert store.known_results() == WRITTEN
    assert store.records().purchases == {bought.id: bought}


def lose(harness: StateHarness, purchase_id: PurchaseId) -> None:
    """Delete one row, as where an older backup of this table alone is restored."""
    if harness.database is not None:
        harness.database.rows("DELETE FROM pipeline.purchases_of_all WHERE id = %s", purchase_id)
        return
    with contextlib.closing(sqlite3.connect(harness.state)) as connection:
        connection.execute("DELETE FROM purchases WHERE id = ?", (purchase_id,))
        connection.commit()


@fails_without("pipeline.state.sql.store:SqlStore._read", "rows.assert_has_served")
def test_missing_purchase_that_served_a_job_is_reported_as_damage(harness: StateHarness) -> None:
    """Without it the job would be bought again; one that served none is joined from the results."""
    store = harness.open()
    kept, lost = buy(store, 1), buy(store, 2)
    store.save_assignment({JobKey("a"): kept.id}, WRITTEN)
    store.close()
    lose(harness, lost.id)
    assert set(harness.read().records().purchases) == {kept.id}
    lose(harness, kept.id)

    for open_it in (harness.open, harness.read):
        with pytest.raises(InvalidInput, match=f"served: 'a': the purchase {kept.id} is missing"):
            open_it().records()


@pytest.mark.parametrize("harness", ["sqlite"], indirect=True)
@pytest.mark.parametrize("rows", ["('a', 'b'), ('a', 'c')", "(1.5, x'00')"])
def test_foreign_rows_are_reported_as_damage(harness: StateHarness, rows: str) -> None:
    store = harness.open()
    buy(store)
    store.close()
    with sqlite3.connect(harness.state) as connection:
        connection.execute(f"INSERT INTO results VALUES {rows}")
    connection.close()
    with pytest.raises(InvalidInput, match="results: not the hashes"):
        harness.open()

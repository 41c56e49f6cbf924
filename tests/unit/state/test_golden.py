"""States and results of every released format stay readable: those in `tests/golden/state`, never rewritten.

Each folder holds the files of one version of the format: a state that was closed properly, one of a run that was
killed (with its `-wal`, and an id in the rescue file), the export of it, and the results manifest in both forms.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs import JobKey
from pipeline.purchases import Status
from pipeline.results import file
from pipeline.state import snapshot
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Intent, Turn
from state.conftest import NOW, StateHarness, purchase

GOLDEN = Path(__file__).parents[2] / "golden" / "state"
VERSIONS = [path.name for path in sorted(GOLDEN.iterdir())]
SPENT_BEFORE = 1070


def exported(version: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / version / "spring.export.json").read_bytes())
    return document


def in_place(harness: StateHarness, version: str, *, killed: bool = False) -> None:
    folder = GOLDEN / version
    shutil.copy(folder / "campaign.yaml", harness.folder / "campaign.yaml")
    harness.state.parent.mkdir()
    for path in (folder / "killed").iterdir() if killed else [folder / "spring.db"]:
        shutil.copy(path, harness.state.parent / path.name)


def opened(harness: StateHarness, *, writable: bool) -> SqlStore:
    manifest = harness.folder / "campaign.yaml"
    return harness.open("run-3", manifest=manifest) if writable else harness.read(manifest=manifest)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("writable", [False, True])
def test_state_of_an_earlier_version_is_read_completely(
    harness: StateHarness, version: str, killed: bool, writable: bool
) -> None:
    in_place(harness, version, killed=killed)
    store = opened(harness, writable=writable)
    # The old export lacks what was added to the format later.
    wanted = exported(version)
    assert {name: value for name, value in store.export().items() if name in wanted} == wanted
    held = store.records().purchases.values()
    assert {each.status for each in held} >= set(Status) - {Status.SUBMITTING}
    assert [(each.purchase, each.slot) for each in store.files()] == [
        ("0000000000000001", "result/0"),
        ("0000000000000001", "steps/0/0"),
    ]
    store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_run_continues_with_it(harness: StateHarness, version: str) -> None:
    in_place(harness, version, killed=True)
    store = opened(harness, writable=True)
    (recovered,) = store.recover(NOW)
    assert (recovered.after.workflow_id, recovered.after.status) == ("wf-12", Status.SUBMITTED)
    # Purchases of that version may have no price; today they count at the price of today.
    budget = Caps(budget=SPENT_BEFORE + 5, max_creates=2, price_of=lambda _: 0)
    intents = [Intent(purchase=purchase(number, 5), at=NOW) for number in (100, 101)]
    bought = store.commit_turn(Turn(intents=intents, durations=[("vim_arctic", 0.1)]), budget)
    assert [change.after for change in bought] == [intents[0].purchase]
    assert store.durations()["vim_arctic"] == pytest.approx(1800)


@pytest.mark.parametrize("version", VERSIONS)
def test_its_export_is_read(harness: StateHarness, version: str) -> None:
    in_place(harness, version)
    read = snapshot.read(exported(version), "x.json")
    held = opened(harness, writable=False).records()
    assert (read.campaign, read.records) == ("spring", held)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_results_beside_it_are_read(harness: StateHarness, version: str, form: str) -> None:
    in_place(harness, version, killed=True)
    store = opened(harness, writable=True)
    store.recover(NOW)
    results = file.read(GOLDEN / version / f"spring.results.{form}", f"spring.results.{form}")
    assert results is not None
    held = store.records().purchases
    assert results.records.purchases == {
        purchase_id: each for purchase_id, each in held.items() if each.status is not Status.VOID
    }
    assert results.records.served[JobKey("hero/overlay/red/walk")].purchase == "0000000000000001"

"""A signal ends every command that changes something cleanly: what was done is recorded, and the rest waits."""

import io
import os
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.checks import assert_valid
from support.processes import Running, until
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.operations.results_publisher import republish

Start = Callable[..., Running]
SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
THREE = spring(prompts={"dance": "a dance", "run": "a run", "walk": "a walk"})
WALK = "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign of three jobs after a complete run."""
    project.write({"campaign.yaml": THREE})
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def purchases(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.results()["purchases"]
    return found


def has_struck(vendor: Emulator) -> bool:
    """Whether the one fault has occurred."""
    return any(struck for _, _, struck in vendor.faults.counts())


def is_there(vendor: Emulator, purchase: dict[str, Any]) -> bool:
    return vendor.store.get(purchase["workflow_id"]) is not None


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("command", ["destroy", "prune"])
def test_interrupted_deletion_is_recorded_in_the_results(
    bought: Project,
    start: Start,
    pipeline: Pipeline,
    vendor: Emulator,
    command: str,
    number: signal.Signals,
    code: int,
) -> None:
    if command == "prune":
        bought.write({"campaign.yaml": spring(prompts={"sit": "a rest"})})
    listed = purchases(bought)
    vendor.fail({"on": "delete", "do": {"stall": 600}})
    deleting = start(command, bought.manifest, "--yes")
    until(lambda: not is_there(vendor, listed[0]), "the first to be deleted")

    deleting.signal(number)
    vendor.clear_faults()
    ended = deleting.ended()

    assert ended.code == code, ended.output
    assert "run it again to continue" in ended.err
    assert_valid(bought.results(), "results")
    assert all(each["deleted"] for each in purchases(bought))
    assert [is_there(vendor, each) for each in listed] == [False, True, True]

    again = pipeline(command, bought.manifest, "--yes")
    assert again.code == 0, again.output
    assert not any(is_there(vendor, each) for each in listed)
    assert "Nothing to delete" in pipeline(command, bought.manifest, "--yes").out


@fails_without(
    "pipeline.operations.delete:carry_out",
    "without = republish(state)",
    swap=("republish(state)", "state.reread()"),
)
@pytest.mark.parametrize("command", ["destroy", "prune"])
def test_deletion_is_in_the_results_before_the_vendor_is_asked_so_a_kill_and_a_lost_state_leave_nothing_done(
    bought: Project, start: Start, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    if command == "prune":
        bought.write({"campaign.yaml": spring(prompts={"sit": "a rest"})})
    listed = purchases(bought)
    vendor.fail({"on": "delete", "do": {"stall": 600}})
    deleting = start(command, bought.manifest, "--yes")
    until(lambda: not is_there(vendor, listed[0]), "the first to be deleted")

    deleting.kill()

    assert_valid(bought.results(), "results")
    assert all(each["deleted"] for each in purchases(bought))

    vendor.clear_faults()
    shutil.rmtree(bought.folder / ".pipeline")
    collected = pipeline("collect", bought.manifest)
    assert collected.code == 0, collected.output
    again = pipeline(command, bought.manifest, "--yes")
    assert again.code == 0, again.output
    assert not any(is_there(vendor, each) for each in listed)


def test_rating_under_way_is_awaited_and_the_next_is_not_sent(
    bought: Project, start: Start, vendor: Emulator
) -> None:
    listed = purchases(bought)
    vendor.fail({"on": "put", "do": {"stall": 600}})
    rating = start("rate", bought.manifest, *[each["key"] for each in listed], "--rating", "5")
    until(lambda: has_struck(vendor), "the rating to arrive")

    rating.signal(signal.SIGTERM)
    vendor.clear_faults()
    ended = rating.ended()

    assert ended.code == 143, ended.output
    rated = [getattr(vendor.store.get(each["workflow_id"]), "rating", None) for each in listed]
    assert rated == ["5", None, None]


def test_purchase_resolved_before_a_signal_is_in_the_results(
    folder: Any, start: Start, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    vendor.clear_faults()
    vendor.fail({"on": "get", "do": {"stall": 600}})
    resolving = start(
        "resolve", project.manifest, WALK, "--workflow-id", vendor.ledger.bought[0].workflow_id or ""
    )
    until(lambda: has_struck(vendor), "the workflow to be asked for")

    resolving.signal(signal.SIGHUP)
    vendor.clear_faults()
    ended = resolving.ended()

    assert ended.code == 129, ended.output
    assert project.statuses() == {WALK: "submitted"}


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_purchases_imported_before_a_signal_are_in_the_results(
    bought: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    exported = pipeline("state", "export", bought.manifest).out
    bought.state.unlink()
    bought.results_file.unlink()

    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), number)
        return republish(*arguments)

    monkeypatch.setattr("pipeline.operations.state_transfer.republish", interrupted)
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))

    ended = pipeline("state", "import", bought.manifest)

    assert ended.code == code, ended.output
    assert set(bought.statuses().values()) == {"done"}

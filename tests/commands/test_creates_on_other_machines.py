"""A create that another machine published and may be sending now: it counts as under way for 15 minutes."""

import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"


def minutes_ago(minutes: float) -> str:
    return (
        (datetime.now(UTC) - timedelta(minutes=minutes))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def published(folder: Path, pipeline: Pipeline, minutes: float, prompt: str = "a walk") -> Project:
    """A fresh clone whose results hold an intent of another machine, `minutes` old."""
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    assert pipeline("run", project.manifest).code == 0
    unknown_by_now(project, minutes)
    return project


def unknown_by_now(project: Project, minutes: float) -> None:
    """The state is gone, and the results have only the intent of the one purchase."""
    document = project.results()
    [purchase] = document["purchases"]
    for name in ("workflow_id", "outputs", "steps", "created_at", "updated_at"):
        purchase.pop(name, None)
    purchase.update(status="submitting", bought_at=minutes_ago(minutes))
    document["jobs"][0].update(status="submitting")
    for name in ("workflow_id", "outputs"):
        document["jobs"][0].pop(name, None)
    project.results_file.write_text(json.dumps(document))
    shutil.rmtree(project.folder / ".pipeline")
    shutil.rmtree(project.folder / "output")


def test_purchase_under_way_elsewhere_is_not_replaced(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = published(folder, pipeline, minutes=1)
    [purchase] = project.results()["purchases"]
    row = {"purchase": purchase["id"], "key": WALK, "decision": "redo"}

    assert pipeline("redo", project.manifest, WALK).code == 64
    assert pipeline("run", project.manifest, "--replace", WALK).code == 64
    project.write({"spring.decisions.yaml": {"version": 1, "decisions": [row]}})

    assert pipeline("run", project.manifest).code == 8
    assert len(vendor.ledger.entries) == 1


@pytest.mark.parametrize(
    "command", [("redo",), ("approve",), ("run", "--replace")], ids=["redo", "approve", "replace"]
)
def test_replacing_or_approving_it_reports_that_it_is_under_way(
    folder: Path, pipeline: Pipeline, command: tuple[str, ...]
) -> None:
    project = published(folder, pipeline, minutes=1)
    [purchase] = project.results()["purchases"]

    ended = pipeline(command[0], project.manifest, *command[1:], WALK)

    assert ended.code == 64, ended.output
    assert f"under way elsewhere, since {purchase['bought_at']}" in ended.err
    assert "pipeline resolve" not in ended.output
    assert "needs attention" not in ended.output


def test_destroy_names_and_keeps_purchases_under_way_elsewhere(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = published(folder, pipeline, minutes=1)

    ended = pipeline("destroy", project.manifest, "--yes")

    assert ended.code == 8, ended.output
    assert "left alone, because it is under way elsewhere, since " in ended.err
    assert "pipeline resolve" not in ended.output


def test_saved_plan_does_not_replace_purchases_that_became_unknown(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("plan", project.manifest, "--replace", WALK, "--out", "plan.json").code == 0
    unknown_by_now(project, minutes=60)

    ended = pipeline("run", "plan.json")

    assert ended.code == 64, ended.output
    assert "it is unknown whether it was bought; resolve it first" in ended.err
    assert len(vendor.ledger.entries) == 1


def test_purchase_under_way_elsewhere_is_reported_as_under_way(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = published(folder, pipeline, minutes=1)

    planned = pipeline("plan", project.manifest)
    ran = pipeline("run", project.manifest)
    status = pipeline("status", project.manifest)

    assert "under way elsewhere, since " in planned.out
    assert "1 job is under way on another machine" in planned.out
    assert "pipeline resolve" not in planned.out
    assert ran.code == 8, ran.output
    assert "1 under way elsewhere." in ran.out
    assert "pipeline resolve" not in ran.output
    [purchase] = project.results()["purchases"]
    line = f"  {WALK}: under way elsewhere, since {purchase['bought_at']}\n"
    assert line in status.out
    assert line in ran.out
    assert "spring: 1 under way elsewhere. " in status.out
    assert pipeline("collect", project.manifest).code == 8
    assert pipeline("collect", project.results_file).code == 8
    assert len(vendor.ledger.entries) == 1


@pytest.mark.parametrize(
    ("prompts", "is_orphan"),
    [({"walk": "another walk"}, False), ({"dance": "a dance"}, True)],
    ids=["earlier", "orphan"],
)
def test_orphan_under_way_elsewhere_is_reported_as_under_way(
    folder: Path, pipeline: Pipeline, prompts: dict[str, str], is_orphan: bool
) -> None:
    project = published(folder, pipeline, minutes=1)
    project.write({"campaign.yaml": spring(prompts=prompts)})
    [purchase] = project.results()["purchases"]
    since = f"under way elsewhere, since {purchase['bought_at']}"
    expected = (
        "1 purchase that serves no job is under way on another machine; its results will show the outcome."
    )

    planned = pipeline("plan", project.manifest)
    status = pipeline("status", project.manifest)

    assert f"{WALK} ({purchase['id']})  {since}, serves no job now" in planned.out
    assert (f"its job is no longer in the manifest, and it is {since}" in planned.out) is is_orphan
    assert "1 under way" in planned.out
    assert expected in planned.out
    assert "pipeline resolve" not in planned.output + status.output
    assert "1 under way" in pipeline("plan", project.manifest, "--format", "markdown").out
    assert f"{WALK} ({purchase['id']}): {since}, serves no job now" in status.out


@pytest.mark.parametrize("records", ["results", "state"])
def test_collect_without_a_manifest_reports_it_too(folder: Path, pipeline: Pipeline, records: str) -> None:
    project = published(folder, pipeline, minutes=1)
    if records == "state":
        assert pipeline("run", project.manifest).code == 8

    ended = pipeline("collect", project.state if records == "state" else project.results_file)

    assert ended.code == 8, ended.output
    assert "1 purchase is under way on another machine; its results will show the outcome." in ended.out
    assert "needs attention" not in ended.output


@pytest.mark.parametrize("records", ["results", "state"])
def test_collect_without_a_manifest_names_purchases_that_need_attention(
    folder: Path, pipeline: Pipeline, records: str
) -> None:
    project = published(folder, pipeline, minutes=16)
    if records == "state":
        assert pipeline("run", project.manifest).code == 7
    [purchase] = project.results()["purchases"]

    source = project.state if records == "state" else project.results_file
    ended = pipeline("collect", source)
    document = pipeline("collect", source, "--format", "json").document

    assert ended.code == 7, ended.output
    assert f"{WALK} ({purchase['id']}): needs attention: it is unknown whether it was bought" in ended.out
    assert f"`pipeline resolve campaign.yaml {purchase['id']} --workflow-id ID`" in ended.out
    assert any(purchase["id"] in note for note in document["notes"])


@pytest.mark.parametrize("flag", ["--resubmit", "--abandon", "--not-bought"])
def test_resolve_within_15_minutes_needs_now(folder: Path, pipeline: Pipeline, flag: str) -> None:
    project = published(folder, pipeline, minutes=14)

    refused = pipeline("resolve", project.manifest, WALK, flag)

    assert refused.code == 64, refused.output
    assert "under way elsewhere" in refused.err
    assert "--now" in refused.err
    assert project.statuses() == {WALK: "submitting"}
    assert pipeline("resolve", project.manifest, WALK, flag, "--now").code == 0
    assert project.statuses() == {WALK: "pending" if flag in {"--not-bought", "--resubmit"} else "failed"}


@fails_without(
    "pipeline.operations.campaign_state:CampaignState.elsewhere",
    "recorded = self.store.recorded_by_runs()",
    swap=("_by_runs", ""),
)
def test_import_of_what_a_running_machine_exported_leaves_it_under_way(
    folder: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = published(folder, pipeline, minutes=14)
    [purchase] = project.results()["purchases"]
    exported = {
        "version": 1,
        "campaign": "spring",
        "purchases": [purchase],
        "served": {},
        "recorded": [purchase["id"]],
    }
    project.results_file.unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(exported)))
    assert pipeline("state", "import", project.manifest).code == 0

    refused = pipeline("resolve", project.manifest, WALK, "--resubmit")

    assert refused.code == 64, refused.output
    assert "under way elsewhere" in refused.err


def test_purchase_silent_for_15_minutes_needs_attention(folder: Path, pipeline: Pipeline) -> None:
    project = published(folder, pipeline, minutes=16)

    ran = pipeline("run", project.manifest)

    assert ran.code == 7, ran.output
    assert f"`pipeline resolve campaign.yaml {WALK} --workflow-id ID`" in ran.out
    assert pipeline("resolve", project.manifest, WALK, "--abandon").code == 0


def test_time_more_than_a_day_off_is_a_wrong_clock_and_needs_attention(
    folder: Path, pipeline: Pipeline
) -> None:
    project = published(folder, pipeline, minutes=-25 * 60)
    assert pipeline("run", project.manifest).code == 7

    document = project.results()
    document["purchases"][0]["bought_at"] = minutes_ago(-23 * 60)
    project.results_file.write_text(json.dumps(document))
    shutil.rmtree(project.folder / ".pipeline")
    assert pipeline("run", project.manifest).code == 8


def test_purchase_lost_by_this_machine_needs_attention_at_once(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})

    assert pipeline("run", project.manifest).code == 7
    assert pipeline("resolve", project.manifest, WALK, "--abandon").code == 0

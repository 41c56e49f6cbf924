"""Decisions in a trial, with a state and results of its own: they are none of the campaign's."""

import re
import shlex
import shutil

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
TRIAL = ("--state", "trial/state.db", "--results", "trial/", "--output", "trial/")
SAID = "trial/spring.results.json: these are not the campaign's records"


def decisions(project: Project) -> str | None:
    path = project.folder / "spring.decisions.yaml"
    return path.read_text() if path.exists() else None


def run_trial(project: Project, pipeline: Pipeline) -> None:
    (project.folder / "trial").mkdir(exist_ok=True)
    assert pipeline("run", project.manifest, "--yes", *TRIAL).code == 0


@pytest.fixture
def tried(project: Project, pipeline: Pipeline) -> Project:
    """A campaign with purchases, and a trial in which the same was bought again."""
    assert pipeline("run", project.manifest).code == 0
    run_trial(project, pipeline)
    return project


@fails_without("pipeline.operations.review:record", "assert_not_of_a_trial(workspace, made, recorded)")
@pytest.mark.parametrize("command", ["approve", "reject", "redo"])
@pytest.mark.parametrize("missing", ["spring.results.json", ".pipeline", None])
def test_decision_on_a_purchase_of_a_trial_is_refused(
    tried: Project, pipeline: Pipeline, command: str, missing: str | None
) -> None:
    if missing is not None:
        gone = tried.folder / missing
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    ended = pipeline(command, tried.manifest, WALK, *TRIAL)

    assert ended.code == 64, ended.output
    assert SAID in ended.err
    joined = "`pipeline merge spring.results.json trial/spring.results.json --out trial/spring.results.json`"
    assert joined in ended.err
    # What is to be joined has to exist.
    assert ("`pipeline collect campaign.yaml" in ended.err) is (missing == "spring.results.json")
    assert decisions(tried) is None


def test_purchases_of_a_trial_can_be_joined_into_the_campaigns(tried: Project, pipeline: Pipeline) -> None:
    shutil.rmtree(tried.folder / ".pipeline")
    joined = pipeline(
        "merge", "spring.results.json", "trial/spring.results.json", "--out", "spring.results.json"
    )
    assert joined.code == 0, joined.output

    assert pipeline("approve", tried.manifest, WALK, *TRIAL).code == 0
    assert "approved" in (decisions(tried) or "")


@pytest.mark.parametrize("missing", ["spring.results.json", ".pipeline"])
def test_records_elsewhere_into_which_those_beside_the_manifest_were_joined_stay_the_campaigns(
    tried: Project, pipeline: Pipeline, missing: str
) -> None:
    gone = tried.folder / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    said = pipeline("approve", tried.manifest, WALK, *TRIAL).err

    for line in re.findall(r"`pipeline ([^`]+)`", said)[: 1 + (missing == "spring.results.json")]:
        assert pipeline(*shlex.split(line)).code == 0, line

    assert pipeline("approve", tried.manifest, WALK, *TRIAL).code == 0
    tried.write({"campaign.yaml": spring(prompts={"walk": "a walk", "sit": "a chair"})})
    run_trial(tried, pipeline)
    assert pipeline("approve", tried.manifest, "main/loop/red/sit", *TRIAL).code == 0


def test_failed_purchase_beside_the_manifest_makes_no_trial_of_records_elsewhere(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    vendor.clear_faults()
    run_trial(project, pipeline)

    assert pipeline("approve", project.manifest, WALK, *TRIAL).code == 0


def test_decision_of_before_can_be_taken_back(tried: Project, pipeline: Pipeline) -> None:
    for name in ("spring.results.json", ".pipeline"):
        (tried.folder / name).rename(tried.folder / f"{name}.away")
    assert pipeline("approve", tried.manifest, WALK, *TRIAL).code == 0
    for name in ("spring.results.json", ".pipeline"):
        (tried.folder / f"{name}.away").rename(tried.folder / name)

    assert pipeline("undecide", tried.manifest, WALK, *TRIAL).code == 0
    assert "undecided" in (decisions(tried) or "")


def test_campaign_whose_records_were_moved_elsewhere_is_none(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    shutil.copytree(project.folder / ".pipeline", project.folder / "trial")
    (project.folder / "trial" / "spring.db").rename(project.folder / "trial" / "state.db")
    project.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})
    run_trial(project, pipeline)

    assert pipeline("approve", project.manifest, WALK, *TRIAL).code == 0


def test_records_elsewhere_are_the_campaigns_if_there_are_no_others(
    project: Project, pipeline: Pipeline
) -> None:
    run_trial(project, pipeline)

    assert pipeline("approve", project.manifest, WALK, *TRIAL).code == 0

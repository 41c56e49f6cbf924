"""A campaign that is renamed and moved at once is told of the results that it leaves behind."""

import shutil

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

SAYS = "spring.results.json: 2 of 3 jobs would be bought again: they are in these results of 'spring'"
THREE = {**spring()["prompts"], "run": "a run"}


@pytest.fixture
def moved(project: Project, pipeline: Pipeline) -> Project:
    """A campaign that was bought, and then renamed, moved and given another prompt; its state is elsewhere."""
    assert pipeline("run", project.manifest).code == 0
    project.manifest.unlink()
    shutil.rmtree(project.folder / ".pipeline")
    project.write({"fall.yaml": spring(name="fall", prompts=THREE)})
    return project


def test_results_that_have_the_jobs_of_a_new_campaign_are_told(moved: Project, offline: Pipeline) -> None:
    told = offline("plan", "fall.yaml")

    assert told.code == 0, told.output
    assert SAYS in told.err
    assert 'change "campaign" in them to the new name and rename the file to fall.results.json' in told.err
    (warning,) = offline("plan", "fall.yaml", "--format", "json").document["warnings"]
    assert SAYS in warning

    results = moved.results_file.read_text().replace('"campaign": "spring"', '"campaign": "fall"')
    (moved.folder / "fall.results.json").write_text(results)
    adopted = offline("plan", "fall.yaml")
    assert "1 to create, 2 to keep" in adopted.out
    assert "bought again" not in adopted.output


def test_campaign_that_asks_for_something_else_is_told_nothing(moved: Project, offline: Pipeline) -> None:
    moved.write({"fall.yaml": spring(name="fall", prompts={"walk": "another walk"})})

    assert "bought again" not in offline("plan", "fall.yaml").output


def test_copy_of_a_campaign_that_is_still_there_is_told_nothing(moved: Project, offline: Pipeline) -> None:
    moved.write({"campaign.yaml": spring()})

    assert "bought again" not in offline("plan", "fall.yaml").output


def test_campaign_with_a_purchase_is_told_nothing(moved: Project, pipeline: Pipeline) -> None:
    assert SAYS in pipeline("run", "fall.yaml", "--select", "**/run").out

    assert "bought again" not in pipeline("plan", "fall.yaml").output

"""A renamed campaign does not lose what only its old results, or only its old state, know."""

import shutil

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

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


@pytest.fixture
def renamed(project: Project, pipeline: Pipeline) -> Project:
    """A campaign that was renamed when only its state knew its purchases: no results were written."""
    assert pipeline("run", project.manifest).code == 0
    project.results_file.unlink()
    project.write({"campaign.yaml": spring(name="fall")})
    return project


@fails_without("pipeline.operations.open_campaign:open_campaign", "checks.earlier_names(")
def test_what_only_the_state_of_the_old_name_has_is_not_bought_again(
    renamed: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = renamed.tree()

    for command in ("plan", "run"):
        ended = pipeline(command, "campaign.yaml")

        assert ended.code == 3, ended.output
        assert (
            "spring.db: the state of 'spring', as this campaign seems to have been called, has 2 purchases"
            in ended.err
        )
    assert len(vendor.ledger.entries) == 2
    assert not (renamed.folder / ".pipeline" / "fall.db").exists()
    assert before.keys() - renamed.tree().keys() == set()


def test_way_that_the_message_names_loses_and_buys_nothing(
    renamed: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    renamed.write({"campaign.yaml": spring()})
    assert pipeline("collect", "campaign.yaml").code == 0
    renamed.write({"campaign.yaml": spring(name="fall")})
    results = renamed.results_file.read_text().replace('"campaign": "spring"', '"campaign": "fall"')
    renamed.results_file.unlink()
    (renamed.folder / "fall.results.json").write_text(results)

    ended = pipeline("run", "campaign.yaml")

    assert ended.code == 0, ended.output
    assert "Nothing was bought: everything was bought before." in ended.out
    assert pipeline("collect", "campaign.yaml").code == 0
    assert pipeline("verify", "campaign.yaml", "--files").code == 0
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize(
    "manifest", ["campaign.yaml", "fall.yaml"], ids=["renamed", "moved and renamed at once"]
)
def test_renamed_results_that_lack_a_purchase_of_the_state_are_not_enough(
    project: Project, pipeline: Pipeline, vendor: Emulator, manifest: str
) -> None:
    assert pipeline("run", project.manifest, "--select", "**/walk").code == 0
    results = project.results_file.read_text()
    assert pipeline("run", project.manifest).code == 0
    project.results_file.unlink()
    project.manifest.unlink()
    renamed = results.replace('"campaign": "spring"', '"campaign": "fall"').replace("campaign.yaml", manifest)
    project.write({manifest: spring(name="fall"), "fall.results.json": renamed.encode()})

    ended = pipeline("run", manifest)

    assert ended.code == 3, ended.output
    assert "has 1 purchase that only it knows" in ended.err
    assert len(vendor.ledger.entries) == 2


def test_copy_of_a_manifest_is_run_beside_the_state_of_the_original(
    project: Project, pipeline: Pipeline
) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.write({"fall.yaml": spring(name="fall")})

    assert pipeline("run", "fall.yaml").code == 0


def test_rehearsal_and_other_databases_are_no_states_of_an_earlier_name(
    project: Project, pipeline: Pipeline
) -> None:
    assert pipeline("run", project.manifest, "--emulate").code == 0
    (project.folder / ".pipeline" / "a.db").write_bytes(b"something else")
    (project.folder / ".pipeline" / "b.db").mkdir()
    project.write({"campaign.yaml": spring(name="fall")})

    assert pipeline("plan", "campaign.yaml").code == 0
    assert pipeline("run", "campaign.yaml", "--emulate").code == 0


def test_next_season_reuses_the_file_of_an_archived_one(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.results_file.rename(project.folder / "images" / project.results_file.name)
    project.write({"campaign.yaml": spring(name="fall", prompts={"run": "a run"})})

    assert pipeline("run", "campaign.yaml").code == 0


def test_what_was_deleted_is_not_known_under_an_earlier_name(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("destroy", project.manifest, "--yes").code == 0
    project.results_file.unlink()
    project.write({"campaign.yaml": spring(name="fall")})

    assert pipeline("plan", "campaign.yaml").code == 0


def test_what_was_refused_is_not_known_under_an_earlier_name(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": {"status": 422, "body": {"detail": []}}})
    assert pipeline("run", project.manifest).code == 1
    project.results_file.unlink()
    project.write({"campaign.yaml": spring(name="fall")})

    assert pipeline("plan", "campaign.yaml").code == 0


# A campaign that is moved into a folder, without its state: git moves none


@pytest.fixture
def left_behind(project: Project, pipeline: Pipeline) -> Project:
    """A campaign that was moved into a folder after a run that was killed: only its state knows one purchase."""
    (project.folder / ".git").mkdir()
    assert pipeline("run", project.manifest, "--select", "**/walk").code == 0
    results = project.results_file.read_bytes()
    assert pipeline("run", project.manifest).code == 0
    project.results_file.write_bytes(results)
    move(project, "campaign.yaml", "spring.results.json", "images")
    return project


def move(project: Project, *names: str) -> None:
    """Move files into a folder, as `git mv` does."""
    (project.folder / "moved" / "here").mkdir(parents=True, exist_ok=True)
    for name in names:
        (project.folder / name).rename(project.folder / "moved" / "here" / name)


@fails_without("pipeline.operations.earlier_names:_states_left_behind", "for folder in ")
def test_what_only_a_state_left_behind_has_is_not_bought_again(
    left_behind: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = left_behind.tree()

    for command in ("plan", "run"):
        ended = pipeline(command, "moved/here/campaign.yaml")

        assert ended.code == 3, ended.output
        assert (
            ".pipeline/spring.db: the state of this campaign, left behind when the campaign was moved, has "
            "1 purchase that only it knows" in ended.err
        )
    assert len(vendor.ledger.entries) == 2
    assert not (left_behind.folder / "moved" / "here" / ".pipeline" / "spring.db").exists()
    assert before.keys() - left_behind.tree().keys() == set()


def test_state_that_is_moved_along_loses_and_buys_nothing(
    left_behind: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("plan", "moved/here/campaign.yaml").code == 3
    move(left_behind, ".pipeline")

    ended = pipeline("run", "moved/here/campaign.yaml")

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert pipeline("verify", "moved/here/campaign.yaml").code == 0


def test_state_left_behind_whose_purchases_results_have_is_no_hindrance(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    (project.folder / ".git").mkdir()
    assert pipeline("run", project.manifest).code == 0
    move(project, "campaign.yaml", "spring.results.json", "images")

    assert pipeline("run", "moved/here/campaign.yaml").code == 0
    assert len(vendor.ledger.entries) == 2


def test_state_of_a_campaign_of_the_same_name_above_is_its_own(project: Project, pipeline: Pipeline) -> None:
    """A copy of a campaign, such as for a trial."""
    (project.folder / ".git").mkdir()
    assert pipeline("run", project.manifest).code == 0
    project.write({"moved/here/campaign.yaml": spring(image_sets={"sneakers": ["../../images/red.png"]})})

    assert pipeline("plan", "moved/here/campaign.yaml").code == 0

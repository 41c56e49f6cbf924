"""Files that lie under each other's names are recognised by their bytes and moved into place."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring

from pipeline.emulator.embedded import Emulator

PROMPTS = {"dance": "a dance in the rain", "walk": "a walk in the park"}
SWAPPED = {"dance": PROMPTS["walk"], "walk": PROMPTS["dance"]}


def files(project: Project) -> dict[str, bytes]:
    """The video of each prompt's job."""
    return {name.rpartition("/")[2].partition(".")[0]: content for name, content in project.output().items()}


def write(project: Project, prompts: Mapping[str, str]) -> None:
    project.write({"campaign.yaml": spring(prompts=dict(prompts))})


def forget(project: Project) -> None:
    """Lose the state, but not the results and files."""
    shutil.rmtree(project.folder / ".pipeline")


@pytest.fixture
def bought(folder: Path, pipeline: Pipeline) -> Project:
    project = campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS)})
    assert pipeline("run", project.manifest).code == 0
    return project


@pytest.mark.parametrize("command", ["run", "collect"])
@pytest.mark.parametrize("lost", [(), (1,), (2,), (1, 2)], ids=str)
def test_prompts_swapped_and_swapped_back_keep_their_videos(
    bought: Project, pipeline: Pipeline, vendor: Emulator, command: str, lost: tuple[int, ...]
) -> None:
    before = files(bought)
    for number, prompts in ((1, SWAPPED), (2, PROMPTS)):
        if number in lost:
            forget(bought)
        write(bought, prompts)
        ended = pipeline(command, bought.manifest)
        assert ended.code == 0, ended.output

        expected = {
            name: before[next(k for k, v in PROMPTS.items() if v == text)] for name, text in prompts.items()
        }
        assert files(bought) == expected
        assert pipeline("verify", bought.manifest, "--files").code == 0
    assert len(vendor.ledger.entries) == 2


def test_file_under_the_old_name_of_another_job_is_moved_after_the_state_is_lost(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = files(bought)
    write(bought, SWAPPED)
    assert pipeline("run", bought.manifest).code == 0
    forget(bought)
    write(bought, {"jog": PROMPTS["walk"], "twirl": PROMPTS["dance"]})
    shutil.rmtree(vendor.settings.folder / "media")

    planned = pipeline("plan", bought.manifest, "--format", "json").document
    assert {each["action"] for each in planned["actions"]} == {"move"}
    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert files(bought) == {"jog": before["walk"], "twirl": before["dance"]}
    assert pipeline("verify", bought.manifest, "--files").code == 0


def test_file_where_the_results_last_saw_it_is_moved_after_the_state_is_lost(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = files(bought)
    write(bought, {"jog": PROMPTS["walk"], "twirl": PROMPTS["dance"]})
    assert pipeline("run", bought.manifest).code == 0
    forget(bought)
    write(bought, {"amble": PROMPTS["walk"], "spin": PROMPTS["dance"]})
    shutil.rmtree(vendor.settings.folder / "media")

    planned = pipeline("plan", bought.manifest, "--format", "json").document
    assert {each["action"] for each in planned["actions"]} == {"move"}
    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert files(bought) == {"amble": before["walk"], "spin": before["dance"]}
    assert pipeline("verify", bought.manifest, "--files").code == 0


def test_swapped_files_are_missing_in_a_plan_and_moved_by_a_run(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    folder = bought.folder / "output/spring/main/loop/red"
    before = files(bought)
    (folder / "walk.mp4").rename(folder / "x")
    (folder / "dance.mp4").rename(folder / "walk.mp4")
    (folder / "x").rename(folder / "dance.mp4")
    forget(bought)

    planned = pipeline("plan", bought.manifest, "--format", "json").document
    assert {each["action"] for each in planned["actions"]} == {"move"}
    assert pipeline("run", bought.manifest).code == 0

    assert files(bought) == before
    assert len(vendor.ledger.entries) == 2


def test_three_files_in_a_cycle_are_moved_into_place(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    prompts = {**PROMPTS, "run": "a run"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    assert pipeline("run", project.manifest).code == 0
    before = files(project)
    at = project.folder / "output/spring/main/loop/red"
    for old, new in (("walk", "x"), ("dance", "walk"), ("run", "dance"), ("x", "run")):
        (at / f"{old}.mp4").rename(at / f"{new}.mp4")
    forget(project)

    assert pipeline("run", project.manifest).code == 0

    assert files(project) == before
    assert len(vendor.ledger.entries) == 3


def test_swapped_file_is_moved_and_the_missing_one_is_downloaded(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = files(bought)
    folder = bought.folder / "output/spring/main/loop/red"
    (folder / "walk.mp4").replace(folder / "dance.mp4")
    forget(bought)

    assert pipeline("run", bought.manifest).code == 0
    assert files(bought)["walk"] == before["walk"]
    assert pipeline("collect", bought.manifest).code == 0
    assert files(bought) == before
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize("names", [("stroll", "walk"), ("jog", "stroll", "walk")], ids=len)
def test_after_a_loss_of_the_state_steps_with_the_same_bytes_are_moved_for_each_take(
    folder: Path, pipeline: Pipeline, names: tuple[str, ...]
) -> None:
    options = {"prompt": "{{ prompt }}", "background_urls": ["https://cdn.example.com/beach.mp4"]}
    changes = {
        "templates": {"loop": {"template_id": "overlay_gray_5443", "options": options}},
        "jobs": [{"id": "main", "repeat": 2}],
        "output": {"steps": True},
    }
    project = campaign(folder, {"campaign.yaml": spring(prompts={names[0]: "a walk"}, **changes)})
    assert pipeline("run", project.manifest).code == 0
    before = {name.replace(names[0], names[-1]): content for name, content in project.output().items()}
    assert len(before) > len(set(before.values()))
    for name in names[1:]:
        project.write({"campaign.yaml": spring(prompts={name: "a walk"}, **changes)})
        if name == names[-1]:
            forget(project)
        ended = pipeline("run", project.manifest)
        assert ended.code == 0, ended.output

    assert project.output() == before

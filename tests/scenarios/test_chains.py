"""Stages: jobs made from the results of other jobs, whatever happens to those."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, picture
from support.checks import assert_nothing_forgotten, assert_whole

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

SKETCH, FILM = "sketch/sketch/red", "film/film/red/spin"


@pytest.fixture
def stages(folder: Path) -> Project:
    return campaign(folder, {"campaign.yaml": chained()})


def served(project: Project) -> dict[str, str | None]:
    return {key: job.get("purchase") for key, job in project.jobs().items()}


def inputs(project: Project) -> dict[str, list[str]]:
    """The purchases that each purchase was made from."""
    return {each["id"]: each.get("inputs", []) for each in project.results()["purchases"]}


def test_stage_is_made_from_the_purchase_that_serves_its_upstream(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", stages.manifest)

    assert ended.code == 0, ended.output
    assert [entry.template_id for entry in vendor.ledger.bought] == [
        "vim_sketch_me",
        "each_explodedloop_0226",
    ]
    purchase_ids = served(stages)
    assert inputs(stages)[purchase_ids[FILM] or ""] == [purchase_ids[SKETCH]]
    assert sorted(stages.output()) == [f"{FILM}.mp4", f"{SKETCH}.png"]
    # The video shows the sketch: the vendor received the url of that result.
    sketch, film = vendor.store.workflows()
    assert sketch.id in film.inputs[0]
    assert_whole(stages)
    assert pipeline("run", stages.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize("fault", ["fail", {"status": 422}], ids=str)
def test_job_behind_a_failed_upstream_waits_and_is_not_bought(
    stages: Project, pipeline: Pipeline, vendor: Emulator, fault: Json
) -> None:
    vendor.fail(
        {
            "on": "create",
            "match": {"template": "vim_sketch_me"},
            "do": fault,
        }
    )

    first = pipeline("run", stages.manifest)
    second = pipeline("run", stages.manifest)

    assert (first.code, second.code) == (1, 1), first.output + second.output
    assert len(vendor.ledger.entries) == 1
    assert stages.statuses() == {FILM: "pending", SKETCH: "failed"}
    assert f"{SKETCH} failed" in second.out
    assert f"{FILM}  waits" in second.out


def test_job_behind_an_unknown_upstream_waits_and_is_not_bought(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": "close-after-processing"})

    first = pipeline("run", stages.manifest)
    second = pipeline("run", stages.manifest)

    assert (first.code, second.code) == (7, 7)
    assert len(vendor.ledger.entries) == 1
    assert f"{SKETCH} needs attention" in second.out


def test_changed_upstream_replaces_both_stages_in_one_run(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("run", stages.manifest)
    stages.write({"images/red.png": picture("green")})

    planned = pipeline("plan", stages.manifest)
    ended = pipeline("run", stages.manifest)

    assert f"{FILM}  re-create" in planned.out
    assert f"after {SKETCH}" in planned.out
    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 4
    purchase_ids = served(stages)
    assert inputs(stages)[purchase_ids[FILM] or ""] == [purchase_ids[SKETCH]]
    assert_whole(stages)
    assert_nothing_forgotten(stages, vendor)


def test_reverted_upstream_restores_both_stages_without_buying(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("run", stages.manifest)
    files, purchase_ids = stages.output(), served(stages)
    stages.write({"images/red.png": picture("green")})
    pipeline("run", stages.manifest)
    stages.write({"images/red.png": picture("red")})

    ended = pipeline("run", stages.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 4
    assert served(stages) == purchase_ids
    assert {name: stages.output()[name] for name in files} == files


def test_upstream_changed_while_its_downstream_is_in_flight_is_not_mixed_up(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    hasty = [{**rule, "timeout": "1s"} for rule in chained()["jobs"]]
    stages.write({"campaign.yaml": chained(jobs=hasty)})
    vendor.fail(
        {"on": "get", "match": {"template": "each_"}, "do": {"patch": {"processing_status": "processing"}}}
    )
    assert pipeline("run", stages.manifest).code == 8
    assert stages.statuses() == {FILM: "submitted", SKETCH: "done"}
    vendor.clear_faults()
    stages.write({"images/red.png": picture("green")})

    ended = pipeline("run", stages.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 4
    purchase_ids = served(stages)
    assert inputs(stages)[purchase_ids[FILM] or ""] == [purchase_ids[SKETCH]]
    # The video in flight is paid for: it is downloaded too, beside the one that serves now.
    purchases = {each["id"]: each["status"] for each in stages.results()["purchases"]}
    assert set(purchases.values()) == {"done"}
    assert_whole(stages)


def lose_the_sketch(stages: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """Buy the first stage only, delete its workflow at the vendor, and ask for the second stage."""
    first = chained()
    rules, templates = first["jobs"], first["templates"]
    stages.write(
        {
            "campaign.yaml": chained(
                jobs=rules[:1],
                templates={"sketch": templates["sketch"]},
                prompts={},
                image_sets={"shoes": ["images/red.png"]},
            )
        }
    )
    assert pipeline("run", stages.manifest).code == 0
    sketch = vendor.store.workflows()[0]
    vendor.store.delete(sketch.id)
    stages.write({"campaign.yaml": first})


def test_stage_is_made_from_the_downloaded_file_if_the_vendor_lost_it(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    lose_the_sketch(stages, pipeline, vendor)

    ended = pipeline("run", stages.manifest)

    assert ended.code == 0, ended.output
    film = vendor.store.workflows()[0]
    assert film.inputs == ("input-1.png",)
    assert len(vendor.ledger.bought) == 2


def test_stage_waits_for_a_file_that_only_another_machine_has(
    stages: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    lose_the_sketch(stages, pipeline, vendor)
    here = stages.folder / "output/stages" / f"{SKETCH}.png"
    elsewhere = here.rename(stages.folder / "elsewhere.png")

    waits = pipeline("run", stages.manifest)

    assert waits.code == 8, waits.output
    assert stages.statuses() == {FILM: "pending", SKETCH: "done"}
    assert (
        f"{SKETCH}.png is not on this machine as it was downloaded; copy that into the output folder"
        in waits.output
    )
    for told in (pipeline("status", stages.manifest).out, pipeline("show", stages.manifest, FILM).out):
        assert f"not bought by the last run: the vendor no longer has the workflow of {SKETCH}" in told
        assert f"{SKETCH}.png is not on this machine as it was downloaded; copy that into" in told
    elsewhere.rename(here)
    ended = pipeline("run", stages.manifest)
    assert ended.code == 0, ended.output
    assert "not bought" not in pipeline("status", stages.manifest).out
    assert len(vendor.ledger.bought) == 2

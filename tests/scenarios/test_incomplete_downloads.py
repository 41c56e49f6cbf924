"""A purchase of which some files are here while others cannot be downloaded, as every command tells of it."""

from collections.abc import Mapping
from pathlib import Path

from support.calling import Pipeline
from support.campaigns import campaign, chained

from pipeline.emulator.embedded import Emulator

HERO = "hero/overlay/red/walk"
DOCUMENT = {
    "version": 1,
    "name": "stages",
    "image_sets": {
        "shoes": ["images/red.png"],
        "cutouts": {"outputs_of": "hero", "step": "crop_to_content", "only": "approved"},
    },
    "prompts": {"walk": "a walk"},
    "templates": {
        "overlay": {"template_id": "overlay_gray_5443", "options": {"prompt": "{{ prompt }}"}},
        "moonwalk": {"template_id": "each_moonwalk_0226"},
    },
    "output": {"steps": True},
    "jobs": [
        {"id": "hero", "templates": ["overlay"], "image_sets": ["shoes"]},
        {"id": "dance", "templates": ["moonwalk"], "image_sets": ["cutouts"], "prompts": []},
    ],
}


def taken_away(vendor: Emulator, output: Mapping[str, str]) -> tuple[Path, bytes]:
    """The vendor's file of `output`, which is gone until it is written again, and its content."""
    media = vendor.settings.folder / "media" / output["url"].partition("/media/")[2]
    content = media.read_bytes()
    media.unlink()
    return media, content


def test_nothing_is_made_from_an_incomplete_purchase_and_every_command_says_so(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    stages = campaign(folder, {"campaign.yaml": DOCUMENT})
    assert pipeline("run", stages.manifest, "--no-download").code == 0
    (workflow,) = vendor.store.workflows()
    (purchase,) = stages.results()["purchases"]
    (cutout,) = next(each["outputs"] for each in purchase["steps"] if each["flow"] == "crop_to_content")
    media, content = taken_away(vendor, cutout)

    ended = pipeline("run", stages.manifest)

    assert ended.code == 8, ended.output
    assert "finished, not all downloaded" in ended.out
    assert "outputs" not in stages.jobs()[HERO]
    assert pipeline("verify", stages.manifest, "--files").code == 0
    assert (
        f"  {HERO}: succeeded: not all of its files are downloaded\n"
        in pipeline("status", stages.manifest).out
    )
    approved = pipeline("approve", stages.manifest, HERO)
    assert "not all of its files are downloaded, and what is made from it waits for them" in approved.out
    assert f"not all files of {HERO} are downloaded" in pipeline("plan", stages.manifest).out
    assert pipeline("run", stages.manifest).code == 8
    assert [each.id for each in vendor.store.workflows()] == [workflow.id]

    (here,) = (folder / "output/stages/hero").rglob("walk.mp4")
    fetched = here.read_bytes()
    here.write_bytes(b"altered")
    assert "differs from what was downloaded" in pipeline("verify", stages.manifest, "--files").out
    here.write_bytes(fetched)

    media.write_bytes(content)
    assert pipeline("collect", stages.manifest).code == 0
    assert pipeline("run", stages.manifest).code == 0
    assert set(stages.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2


def test_nothing_is_made_from_a_purchase_of_which_no_file_can_be_downloaded(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    document = {
        "version": 1,
        "name": "stages",
        "image_sets": {"shoes": ["images/red.png"], "sketches": {"outputs_of": "sketch", "only": "approved"}},
        "templates": {
            "sketch": {"template_id": "vim_sketch_me", "options": {"pipeline_mode": "image"}},
            "moonwalk": {"template_id": "each_moonwalk_0226"},
        },
        "jobs": [
            {"id": "sketch", "templates": ["sketch"], "image_sets": ["shoes"]},
            {"id": "dance", "templates": ["moonwalk"], "image_sets": ["sketches"]},
        ],
    }
    stages = campaign(folder, {"campaign.yaml": document})
    assert pipeline("run", stages.manifest, "--no-download").code == 0
    (purchase,) = stages.results()["purchases"]
    (output,) = purchase["outputs"]
    media, content = taken_away(vendor, output)

    assert pipeline("run", stages.manifest).code == 8
    (sketch,) = (key for key in stages.jobs() if key.startswith("sketch/"))
    assert (
        f"  {sketch}: succeeded: its files could not be downloaded ("
        in pipeline("status", stages.manifest).out
    )
    approved = pipeline("approve", stages.manifest, sketch)
    assert "none of its files are downloaded, and what is made from it waits for them" in approved.out
    assert f"none of the files of {sketch} are downloaded" in pipeline("plan", stages.manifest).out
    assert pipeline("run", stages.manifest, "--no-download").code == 8
    assert len(vendor.ledger.bought) == 1

    media.write_bytes(content)
    assert pipeline("collect", stages.manifest).code == 0
    assert pipeline("run", stages.manifest).code == 0
    assert set(stages.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2


def test_run_in_which_the_files_of_an_upstream_arrive_says_that_the_next_one_buys(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    stages = campaign(folder, {"campaign.yaml": chained()})
    select = ("--select", "sketch/**")
    assert pipeline("run", stages.manifest, *select, "--no-download").code == 0
    (output,) = stages.results()["purchases"][0]["outputs"]
    media, content = taken_away(vendor, output)
    assert pipeline("run", stages.manifest, *select).code == 8
    without_files = pipeline("run", stages.manifest)

    media.write_bytes(content)
    with_files = pipeline("run", stages.manifest)

    told = "1 job waited for what it is made from, and can be bought now: run again"
    assert (without_files.code, with_files.code) == (8, 8), without_files.output + with_files.output
    assert told not in without_files.output
    assert told in with_files.out
    assert pipeline("run", stages.manifest).code == 0
    assert len(vendor.ledger.bought) == 2

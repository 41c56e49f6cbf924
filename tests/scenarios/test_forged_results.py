"""An untrusted results manifest can prevent the purchase of a job, and nothing else.

It may come with a pull request, so all of it is data: none of it is shown unescaped, points out of the output folder,
buys, or changes a workflow unless a GET proves that it is the one that was bought.
"""

import hashlib
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.hostile import HOSTILE, assert_harmless, outside_of_fences
from support.no_purchases import write_results
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
WITHOUT_WALK = spring(prompts={"dance": "a dance in the rain"})


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A finished campaign on a machine that has only its results."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    forget(project)
    return project


def forget(project: Project) -> None:
    shutil.rmtree(project.folder / ".pipeline")
    shutil.rmtree(project.folder / "output")


def forge(project: Project, edit: Callable[[Any], object], key: str = WALK) -> None:
    """Rewrite the purchase of `key` in the results."""
    document = project.results()
    for purchase in document["purchases"]:
        if purchase["key"] == key:
            edit(purchase)
    project.results_file.write_text(json.dumps(document))


def test_path_in_the_results_stays_in_the_output_folder(bought: Project, pipeline: Pipeline) -> None:
    forge(bought, lambda purchase: purchase.update(path="../../../escaped/film"))
    bought.write({"campaign.yaml": WITHOUT_WALK})

    ended = pipeline("collect", bought.manifest)

    assert ended.code == 0, ended.output
    [found] = bought.folder.parent.rglob("film.mp4")
    assert found.is_relative_to(bought.folder / "output/spring")


@fails_without(
    "pipeline.artifacts.file_names:_safe_stem",
    "return",
    swap=("safe_path(stem.removesuffix(suffix)", "stem.removesuffix(suffix"),
)
def test_prune_deletes_nothing_outside_the_output_folder(bought: Project, pipeline: Pipeline) -> None:
    image = bought.folder / "images/red.png"
    mine = {
        "content_type": "image/png",
        "sha256": hashlib.sha256(image.read_bytes()).hexdigest(),
        "bytes": image.stat().st_size,
    }
    forge(bought, lambda purchase: purchase.update(path="../../images/red", outputs=[mine]))
    bought.write({"campaign.yaml": WITHOUT_WALK})
    assert pipeline("collect", bought.manifest, "--select", DANCE).code == 0

    ended = pipeline("prune", bought.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert image.exists()


def test_forged_purchase_buys_nothing(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """The worst that it can do is to stand in for a job, which is then not bought; the other one is."""
    write_results(project)
    document = project.results()
    fingerprint = next(job["fingerprint"] for job in document["jobs"] if job["key"] == WALK)
    document["purchases"].append(
        {
            "id": "0123456789abcdef",
            "key": WALK,
            "fingerprint": fingerprint,
            "status": "done",
            "bought_at": "2026-01-01T00:00:00.000Z",
            "template_id": "each_explodedloop_0226",
            "workflow_id": "unheard-of",
            "outputs": [{"content_type": "video/mp4", "sha256": "0" * 64, "bytes": 1}],
        }
    )
    project.results_file.write_text(json.dumps(document))

    ended = pipeline("run", project.manifest)

    assert [DANCE in entry.title for entry in vendor.ledger.entries] == [True], ended.output
    assert set(project.output()) == {f"{DANCE}.mp4"}


def test_workflow_of_another_campaign_is_not_retitled(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    own, foreign = (bought.jobs()[key]["workflow_id"] for key in (WALK, DANCE))
    text = bought.results_file.read_text()
    bought.results_file.write_text(text.replace(foreign, "unheard-of").replace(own, foreign))
    before = {each.id: each.title for each in vendor.store.workflows()}
    loop = {**spring()["templates"]["loop"], "title": "owned"}
    bought.write({"campaign.yaml": spring(templates={"loop": loop})})

    ended = pipeline("run", bought.manifest)

    assert ended.code == 8, ended.output
    assert "is not purchase" in ended.output
    assert {each.id: each.title for each in vendor.store.workflows()} == before
    assert len(vendor.ledger.entries) == 2


HARMFUL: dict[str, Callable[[Any], object]] = {
    "key": lambda purchase: purchase.update(key=HOSTILE),
    "command": lambda purchase: purchase.update(key="::error::gotcha"),
    "template": lambda purchase: purchase.update(template_id=HOSTILE),
    "path": lambda purchase: purchase.update(path=HOSTILE),
    "title and options": lambda purchase: purchase["request"].update(
        title=HOSTILE, options={HOSTILE: HOSTILE}
    ),
    "outputs": lambda purchase: purchase["outputs"][0].update(url=HOSTILE, content_type=HOSTILE),
    "steps": lambda purchase: purchase["steps"][0].update(flow=HOSTILE),
    "error": lambda purchase: purchase.update(
        status="failed", reason="vendor", error=HOSTILE, created_at=HOSTILE, updated_at=HOSTILE
    ),
}


@pytest.mark.parametrize("field", HARMFUL)
def test_text_from_the_results_is_escaped(bought: Project, pipeline: Pipeline, field: str) -> None:
    pipeline.set("GITHUB_ACTIONS", "true")
    [purchase] = (each["id"] for each in bought.results()["purchases"] if each["key"] == WALK)
    forge(bought, HARMFUL[field])
    commands: list[tuple[str, ...]] = [
        ("plan",),
        ("plan", "--format", "markdown"),
        ("plan", "--format", "json"),
        ("status",),
        ("status", "--format", "json"),
        ("show", purchase),
        ("verify", "--files"),
        ("approve", purchase),
        ("rate", purchase, "--rating", "1"),
        ("collect",),
        ("run",),
        ("destroy", "--yes"),
    ]

    for command, *arguments in commands:
        ended = pipeline(command, bought.manifest, *arguments)
        assert ended.code != 70, ended.output
        assert "Traceback" not in ended.output
        for said in (ended.out, ended.err):
            assert_harmless(said)


def test_markdown_comment_keeps_text_from_the_results_in_its_fence(
    bought: Project, pipeline: Pipeline
) -> None:
    error = f"\n```\n{HOSTILE}"
    forge(bought, lambda purchase: purchase.update(status="failed", reason="vendor", error=error))
    bought.write({"campaign.yaml": spring(prompts={**spring()["prompts"], "run": "a run"})})

    text = pipeline("plan", bought.manifest, "--format", "markdown").out

    assert "script" in text
    assert "script" not in outside_of_fences(text)


def test_report_contains_text_from_the_results_as_text(bought: Project, pipeline: Pipeline) -> None:
    error = f"]]></failure><testcase name='forged'/> {HOSTILE}"
    forge(bought, lambda purchase: purchase.update(status="failed", reason="vendor", error=error))

    assert pipeline("run", bought.manifest, "--junit", "junit.xml").code == 1

    [suite] = ET.fromstring((bought.folder / "junit.xml").read_bytes())
    assert {case.attrib["name"] for case in suite} == {DANCE, WALK}

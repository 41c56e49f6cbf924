"""`pipeline verify` reports where manifest, state, results and files disagree, and then exits with 1."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, spring

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def edit_results(project: Project, change: Callable[[Any], None]) -> None:
    document = project.results()
    change(document)
    project.results_file.write_text(json.dumps(document, indent=2))


def video(project: Project) -> Path:
    return project.folder / "output" / "spring" / f"{WALK}.mp4"


def test_everything_agrees_after_a_run_and_nothing_is_written(bought: Project, offline: Pipeline) -> None:
    before = bought.tree()

    ended = offline("verify", bought.manifest, "--files")

    assert (ended.code, ended.out) == (0, "Manifest, state and results agree.\n")
    assert bought.tree() == before


def test_campaign_that_never_ran_has_nothing_to_compare(project: Project, offline: Pipeline) -> None:
    assert offline("verify", project.manifest, "--files").code == 0


def test_machine_with_only_the_results_agrees_with_them(bought: Project, offline: Pipeline) -> None:
    shutil.rmtree(bought.folder / ".pipeline")

    assert offline("verify", bought.manifest).code == 0


def lose_a_job(document: Any) -> None:
    document["jobs"].pop()


def add_a_job(document: Any) -> None:
    document["jobs"].append({**document["jobs"][0], "key": "main/loop/red/run"})


def change_a_status(document: Any) -> None:
    document["jobs"][1]["status"] = "pending"


def lose_a_purchase(document: Any) -> None:
    document["purchases"].pop()


def change_the_credits(document: Any) -> None:
    document["summary"]["credits"] = 5


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lose_a_job, f"job {WALK}: not in the results"),
        (add_a_job, "job main/loop/red/run: only in the results"),
        (change_a_status, f'job {WALK}: status is "pending" in the results, "done" in the state'),
        (lose_a_purchase, ": not in the results"),
        (change_the_credits, "summary: "),
    ],
)
def test_each_difference_between_results_and_state_is_reported_and_repaired_by_results(
    bought: Project, pipeline: Pipeline, change: Callable[[Any], None], expected: str
) -> None:
    edit_results(bought, change)

    ended = pipeline("verify", bought.manifest)

    assert ended.code == 1
    assert expected in ended.out
    assert " difference" in ended.out
    assert pipeline("results", bought.manifest).code == 0
    assert pipeline("verify", bought.manifest).code == 0


@pytest.mark.parametrize("wrong", ["-sorts-before", "zz-sorts-after"])
def test_other_workflow_is_a_difference_whichever_copy_the_join_would_keep(
    bought: Project, offline: Pipeline, wrong: str
) -> None:
    def change(document: Any) -> None:
        for row in (document["jobs"][0], document["purchases"][0]):
            row["workflow_id"] = wrong

    edit_results(bought, change)

    ended = offline("verify", bought.manifest)

    assert ended.code == 1
    assert f'job {DANCE}: workflow_id is "{wrong}" in the results' in ended.out
    assert "2 differences." in ended.out


def test_missing_results_are_a_difference(bought: Project, pipeline: Pipeline) -> None:
    bought.results_file.unlink()

    ended = pipeline("verify", bought.manifest)

    assert ended.code == 1
    assert "spring.results.json: missing; `pipeline results campaign.yaml` writes it" in ended.out


def test_edited_manifest_is_a_difference(bought: Project, pipeline: Pipeline) -> None:
    bought.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})

    ended = pipeline("verify", bought.manifest)

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"job {WALK}: changed in the manifest since the results were written",
        "1 difference.",
        "What a run would do for the changed jobs: `pipeline plan campaign.yaml`.",
    ]


def test_of_a_job_that_differs_in_several_ways_one_line_is_told(bought: Project, pipeline: Pipeline) -> None:
    def change(document: Any) -> None:
        document["jobs"][1] |= {"status": "failed", "reason": "lost", "outputs": []}

    edit_results(bought, change)

    ended = pipeline("verify", bought.manifest)

    assert ended.code == 1
    assert ended.out.splitlines() == [
        (
            f"job {WALK}: outputs in the results is not as it is in the state; "
            'reason is "lost" in the results, missing in the state; '
            'status is "failed" in the results, "done" in the state'
        ),
        "1 difference.",
    ]


@pytest.mark.parametrize(
    "decisions",
    [["approve"], ["reject"], ["redo"], ["approve", "undecide"], ["approve", "results", "undecide"],
     ["redo", "results", "undecide"], ["reject", "results", "approve"]],
)  # fmt: skip
def test_decision_newer_than_the_results_is_not_a_difference(
    bought: Project, offline: Pipeline, decisions: list[str]
) -> None:
    for command in decisions:
        assert offline(command, bought.manifest, *([] if command == "results" else [WALK])).code == 0

    ended = offline("verify", bought.manifest)

    assert ended.code == 0, ended.output
    assert ended.out.startswith("Manifest, state and results agree.\n")
    is_told = "spring.results.json does not have the latest decisions yet" in ended.out
    assert is_told == (decisions != ["approve", "undecide"])
    assert offline("results", bought.manifest).code == 0
    assert offline("verify", bought.manifest).out == "Manifest, state and results agree.\n"


def test_take_sent_back_after_an_older_rejected_one_is_not_a_difference(
    bought: Project, pipeline: Pipeline
) -> None:
    first = bought.jobs()[WALK]["purchase"]
    for command, name in (
        ("redo", WALK),
        ("run", None),
        ("reject", first),
        ("redo", WALK),
        ("results", None),
    ):
        assert pipeline(command, bought.manifest, *([] if name is None else [name])).code == 0
    assert pipeline("verify", bought.manifest).out == "Manifest, state and results agree.\n"
    assert pipeline("approve", bought.manifest, DANCE).code == 0

    ended = pipeline("verify", bought.manifest)

    assert ended.code == 0, ended.output
    assert "does not have the latest decisions yet" in ended.out


def test_newer_decision_does_not_hide_other_differences(bought: Project, offline: Pipeline) -> None:
    assert offline("approve", bought.manifest, WALK).code == 0
    edit_results(bought, change_the_credits)

    ended = offline("verify", bought.manifest, "--format", "json")

    assert ended.code == 1
    assert [each["message"].partition(":")[0] for each in ended.document["differences"]] == ["summary"]
    assert "does not have the latest decisions yet" in ended.document["notes"][0]


def cut_short(project: Project) -> None:
    video(project).write_bytes(video(project).read_bytes()[:-1])


def change_a_byte(project: Project) -> None:
    """Size and modification time stay the same: the bytes decide."""
    stat = video(project).stat()
    content = bytearray(video(project).read_bytes())
    content[-1] ^= 1
    video(project).write_bytes(content)
    os.utime(video(project), ns=(stat.st_atime_ns, stat.st_mtime_ns))


def remove(project: Project) -> None:
    video(project).unlink()


def link(project: Project) -> None:
    video(project).rename(video(project).with_name("elsewhere.mp4"))
    video(project).symlink_to("elsewhere.mp4")


def swap_with_the_other(project: Project) -> None:
    video(project).write_bytes(video(project).with_name("dance.mp4").read_bytes())


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (cut_short, "differs from what was downloaded"),
        (change_a_byte, "differs from what was downloaded"),
        (remove, "missing"),
        (link, "missing"),
        (swap_with_the_other, "missing; another file of this campaign is in its place"),
    ],
)
def test_files_names_each_file_that_is_not_what_was_fetched(
    bought: Project, pipeline: Pipeline, damage: Callable[[Project], None], expected: str
) -> None:
    damage(bought)
    assert pipeline("verify", bought.manifest).code == 0

    ended = pipeline("verify", bought.manifest, "--files")

    assert ended.code == 1
    assert f"output/spring/{WALK}.mp4: {expected}" in ended.out
    assert f"{DANCE}.mp4" not in ended.out


def test_results_of_another_campaign_are_refused(bought: Project, pipeline: Pipeline) -> None:
    def rename(document: Any) -> None:
        document["campaign"] = "autumn"

    edit_results(bought, rename)

    assert pipeline("verify", bought.manifest).code == 3


# The vendor


def remote(pipeline: Pipeline, project: Project) -> Ended:
    return pipeline("verify", project.manifest, "--remote")


def test_vendor_is_only_asked_with_get(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": ["put", "delete", "create", "upload"], "do": {"status": 500}})

    ended = remote(pipeline, bought)

    assert ended.code == 0, ended.output
    assert "agree" in ended.out


def test_workflow_whose_description_names_another_purchase_is_named(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    loop = {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}"}, "title": "Films"}
    project = campaign(
        folder, {"campaign.yaml": spring(templates={"loop": loop}, prompts={"walk": "a walk"})}
    )
    assert pipeline("run", project.manifest).code == 0
    other = "0123456789abcdef"
    vendor.fail({"on": "get", "do": {"patch": {"description": f"spring {other}"}}})

    ended = remote(pipeline, project)

    assert ended.code == 1, ended.output
    workflow = project.jobs()[WALK]["workflow_id"]
    assert f"workflow {workflow} names purchase {other} in its description" in ended.out


def test_missing_failed_or_retitled_workflow_is_named(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    dance, walk = (bought.jobs()[key]["workflow_id"] for key in (DANCE, WALK))
    vendor.store.delete(dance)
    vendor.fail({"on": "get", "match": {"title": "walk"}, "do": {"patch": {"title": "somebody's"}}})

    ended = remote(pipeline, bought)

    assert ended.code == 1, ended.output
    assert f"the vendor no longer knows workflow {dance}" in ended.out
    assert f"workflow {walk} has title \"somebody's\", but 'spring: {WALK}" in ended.out
    assert "2 differences." in ended.out

    vendor.clear_faults()
    vendor.fail({"on": "get", "match": {"title": "walk"}, "do": {"patch": {"processing_status": "fail"}}})
    assert f"workflow {walk} is 'fail' at the vendor, but done in the state" in remote(pipeline, bought).out


def test_unreachable_vendor_hides_no_other_finding(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    (bought.folder / f"output/spring/{WALK}.mp4").unlink()
    vendor.fail({"on": "get", "do": {"status": 503}})

    ended = pipeline("verify", bought.manifest, "--files", "--remote")

    assert ended.code == 8, ended.output
    assert f"{WALK}.mp4: missing" in ended.out
    assert "the vendor cannot be asked" in ended.err


def test_asking_the_vendor_needs_a_key(bought: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)

    assert remote(pipeline, bought).code == 5
    assert pipeline("verify", bought.manifest).code == 0

"""`pipeline status` counts the jobs and names every unfinished one."""

from support.calling import Pipeline
from support.campaigns import Project, spring

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


def test_all_jobs_are_pending_before_anything_is_bought(project: Project, offline: Pipeline) -> None:
    ended = offline("status", project.manifest)

    assert ended.code == 0, ended.output
    assert "2 pending" in ended.out
    assert "0 credits" in ended.out


def test_unfinished_jobs_are_named_with_their_reason(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": 422}})
    pipeline("run", project.manifest)

    ended = pipeline("status", project.manifest)

    assert ended.code == 0
    assert f"{WALK}: failed (rejected): HTTP 422" in ended.out
    assert DANCE not in ended.out
    assert "1 done" in ended.out


def test_json_output_is_one_document(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park", "run": "a run"})})

    document = pipeline("status", project.manifest, "--format", "json").document

    assert {job["key"]: job["status"] for job in document["jobs"]} == {
        WALK: "done",
        "main/loop/red/run": "pending",
    }
    assert document["summary"]["jobs"] == {"done": 1, "pending": 1}
    assert document["summary"]["credits"] == 200


def test_orphan_is_counted(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park"})})

    assert "1 orphan" in pipeline("status", project.manifest).out


def test_unknown_outcome_is_named(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "html"})
    pipeline("run", project.manifest, "--concurrency", "1")

    ended = pipeline("status", project.manifest)

    assert f"{DANCE}: attention" in ended.out


def test_replaced_take_that_needs_attention_is_reported_once(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    unknown = project.jobs()[WALK]["purchase"]
    project.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})

    output = pipeline("status", project.manifest).out

    assert [line for line in output.splitlines() if unknown in line and "pipeline resolve" not in line] == [
        f"  {WALK} ({unknown}): needs attention, serves no job now"
    ]


def test_unknown_outcome_outside_the_selection_is_only_counted(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    unknown = project.jobs()[WALK]["purchase"]
    outside = "1 unknown outcome outside the selection: `pipeline status campaign.yaml` names it."

    for walk in ("a walk in the park", "a run"):  # it serves a job, and then none
        project.write({"campaign.yaml": spring(prompts={"walk": walk, "dance": "a dance in the rain"})})
        elsewhere = pipeline("status", project.manifest, "--select", DANCE)
        document = pipeline("status", project.manifest, "--select", DANCE, "--format", "json").document
        selected = pipeline("status", project.manifest, "--select", WALK)

        assert outside in elsewhere.out.splitlines()
        assert unknown not in elsewhere.out
        assert "resolve" not in elsewhere.out
        assert document["unsettled"] == []
        assert "pipeline resolve" in selected.out
        assert "outside the selection" not in selected.out + pipeline("status", project.manifest).out
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})
    assert outside in pipeline("status", project.manifest, "--select", DANCE).out.splitlines()
    assert unknown in pipeline("status", project.manifest, "--select", WALK).out

"""`pipeline expand` prints each job with the request that would be sent."""

import json

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


def test_jobs_are_in_manifest_order_with_their_requests(project: Project, offline: Pipeline) -> None:
    ended = offline("expand", project.manifest, "--format", "json")

    assert ended.code == 0, ended.output
    jobs = ended.document["jobs"]
    assert [job["key"] for job in jobs] == [WALK, DANCE]
    request = jobs[0]["request"]
    assert request["template_id"] == "each_explodedloop_0226"
    assert request["options"] == {"prompt": "a walk in the park"}
    assert request["images"][0]["path"] == "images/red.png"
    assert request["title"] == f"spring: {WALK} (…)"
    assert request["visibility"] == "private"
    assert jobs[0]["fingerprint"].startswith("v1:")


def test_all_three_formats_contain_the_same_jobs(project: Project, offline: Pipeline) -> None:
    document = offline("expand", project.manifest, "--format", "json").document
    lines = offline("expand", project.manifest, "--format", "jsonl").out.splitlines()
    text = offline("expand", project.manifest).out

    assert [json.loads(line) for line in lines] == document["jobs"]
    assert text.index(f"{WALK}\n") < text.index(f"{DANCE}\n")


def test_prompt_that_looks_like_a_template_or_command_is_unchanged(
    project: Project, offline: Pipeline
) -> None:
    literal = "::error::x {{ 7*7 }} \x1b[31m ##[group]"
    project.write({"campaign.yaml": spring(vars={"text": literal}, prompts={"p": "{{ text }}"})})
    offline.set("GITHUB_ACTIONS", "true")

    text = offline("expand", project.manifest).out
    document = offline("expand", project.manifest, "--format", "json").document

    assert document["jobs"][0]["request"]["options"]["prompt"] == literal
    assert "\x1b" not in text
    assert "##[group]" not in text


def test_invalid_manifest_prints_no_partial_document(project: Project, offline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk", "sit": "{{ nothing }}"})})

    ended = offline("expand", project.manifest, "--format", "json")

    assert ended.code == 3
    assert "'nothing' is undefined" in ended.err
    assert ended.out == ""


def test_failed_buffering_prints_no_partial_document(
    project: Project, offline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cli.expand._IN_MEMORY", 1)
    monkeypatch.setattr("tempfile.tempdir", str(project.folder / "gone"))

    ended = offline("expand", project.manifest, "--format", "json")

    assert ended.code == 8
    assert "cannot be written: No such file or directory" in ended.err
    assert ended.out == ""


def test_manifest_without_jobs_is_an_error(project: Project, offline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(jobs=[{"id": "main", "when": "{{ false }}"}])})

    ended = offline("expand", project.manifest)

    assert ended.code == 3
    assert ended.out == ""

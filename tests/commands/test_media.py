"""The results describe the content of files by hash: read when a download completes, or later by another machine."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.checks import assert_valid


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Hide the libraries that read media, until this is undone."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pipeline.media.read", None)
        yield patch


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were tried; none can be read."""
    tried: list[Path] = []
    monkeypatch.setattr("pipeline.media.read.facts_of", tried.append)
    return tried


def hashes(results: Any) -> set[str]:
    """The hashes of all purchased files."""
    lists = [
        outputs
        for each in results["purchases"]
        for outputs in (each["outputs"], *(step["outputs"] for step in each.get("steps", ())))
    ]
    return {output["sha256"] for outputs in lists for output in outputs if "sha256" in output}


def test_results_describe_the_content_of_each_file_and_step(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(output={"steps": True})})

    assert pipeline("run", project.manifest).code == 0

    results = project.results()
    assert_valid(results, "results")
    assert results["media"].keys() == hashes(results)
    assert list(results["media"]) == sorted(results["media"])
    videos = [results["media"][job["outputs"][0]["sha256"]] for job in results["jobs"]]
    assert all(each["rule"] == 1 and each["width"] > 0 and each["duration"] > 0 for each in videos)
    assert all(each["audio"] in (True, False) for each in videos)


def test_without_the_extra_media_facts_are_left_out_and_added_later(
    project: Project, pipeline: Pipeline, without_extra: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    before = project.results()
    assert "media" not in before

    without_extra.undo()
    assert "written" in pipeline("results", project.manifest).out

    after = project.results()
    assert after.pop("media").keys() == hashes(before)
    assert after == before
    assert "up to date" in pipeline("results", project.manifest).out


@pytest.mark.parametrize("command", ["run", "collect"])
def test_next_run_adds_media_facts(
    project: Project, pipeline: Pipeline, without_extra: pytest.MonkeyPatch, command: str
) -> None:
    assert pipeline("run", project.manifest).code == 0
    without_extra.undo()

    assert pipeline(command, project.manifest).code == 0

    assert project.results()["media"].keys() == hashes(project.results())


def test_machine_without_extra_or_files_drops_no_media_facts(
    project: Project, pipeline: Pipeline, without_extra: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_extra.undo()
    assert pipeline("run", project.manifest).code == 0
    media = project.results()["media"]
    shutil.rmtree(project.folder / "output")
    shutil.rmtree(project.folder / ".pipeline")
    without_extra.setitem(sys.modules, "pipeline.media.read", None)

    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park"})})
    assert pipeline("results", project.manifest).code == 0

    assert len(project.results()["jobs"]) == 1
    assert project.results()["media"] == media


def test_pruned_file_keeps_its_media_facts(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    media = project.results()["media"]
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park"})})

    assert pipeline("prune", project.manifest, "--yes").code == 0

    assert project.results()["media"] == media


def test_media_facts_written_by_others_during_a_run_are_merged(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    results = project.results()
    results["media"] = {"e" * 64: {"rule": 2, "width": 7, "height": 5}}
    project.results_file.write_text(json.dumps(results))
    project.write({"campaign.yaml": spring(prompts={"run": "a run"})})

    assert pipeline("run", project.manifest).code == 0

    media = project.results()["media"]
    assert media["e" * 64] == {"rule": 2, "width": 7, "height": 5}
    assert media.keys() == hashes(project.results()) | {"e" * 64}


def test_unreadable_file_is_not_tried_by_every_command(
    project: Project, pipeline: Pipeline, read: list[Path]
) -> None:
    assert pipeline("run", project.manifest).code == 0
    assert "media" not in project.results()
    assert len(read) == len(set(read)) == 2
    read.clear()

    for command in ("run", "results", "collect"):
        assert pipeline(command, project.manifest).code == 0

    assert read == []


def test_altered_file_adds_no_media_facts(
    project: Project, pipeline: Pipeline, without_extra: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    without_extra.undo()
    for path in (project.folder / "output").rglob("*.mp4"):
        path.write_bytes(path.read_bytes() + b"more")

    assert pipeline("results", project.manifest).code == 0

    assert "media" not in project.results()


def test_media_library_is_not_loaded_if_nothing_is_read(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0

    def fail() -> None:
        pytest.fail("the libraries were loaded")

    monkeypatch.setattr("pipeline.operations.unread_media.facts_reader", fail)

    for command in ("run", "results", "collect"):
        assert pipeline(command, project.manifest).code == 0


def test_collecting_from_the_state_alone_adds_media_facts(
    project: Project, pipeline: Pipeline, without_extra: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    without_extra.undo()
    shutil.rmtree(project.folder / "output")
    project.manifest.unlink()

    assert pipeline("collect", project.state).code == 0

    assert project.results()["media"].keys() == hashes(project.results())


def test_merge_keeps_media_facts_of_both_sides(project: Project, pipeline: Pipeline, tmp_path: Path) -> None:
    assert pipeline("run", project.manifest).code == 0
    ours = project.results()
    digest = next(iter(ours["media"]))
    theirs = {**ours, "media": {"f" * 64: {"rule": 1, "duration": 2.0}, digest: {"rule": 9, "width": 1}}}
    (tmp_path / "theirs.json").write_text(json.dumps(theirs))

    for order in (
        (project.results_file, tmp_path / "theirs.json"),
        (tmp_path / "theirs.json", project.results_file),
    ):
        assert pipeline("merge", *order, "--out", tmp_path / "whole.json").code == 0
        whole = json.loads((tmp_path / "whole.json").read_bytes())
        assert whole["media"] == {**ours["media"], **theirs["media"]}


@pytest.mark.parametrize(
    "entry",
    [{}, {"rule": 0}, {"rule": 1, "width": "9"}, {"rule": 1, "audio": 1}, {"rule": 1, "colour": "red"}],
)
def test_invalid_media_facts_are_refused(project: Project, pipeline: Pipeline, entry: object) -> None:
    assert pipeline("run", project.manifest).code == 0
    results = project.results()
    results["media"] = {"e" * 64: entry}
    project.results_file.write_text(json.dumps(results))

    ended = pipeline("plan", project.manifest)

    assert ended.code == 3
    assert "media" in ended.err

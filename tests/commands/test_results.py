"""`pipeline results` rewrites the results manifest, with identical bytes for the same outcome."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.checks import assert_valid


def test_lost_results_are_rewritten_byte_for_byte(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    before = project.results_file.read_bytes()
    project.results_file.unlink()

    ended = pipeline("results", project.manifest)

    assert ended.code == 0, ended.output
    assert project.results_file.read_bytes() == before


def test_up_to_date_results_are_not_touched(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    before = project.tree()

    ended = pipeline("results", project.manifest)

    assert "up to date" in ended.out
    assert project.tree() == before


def test_edit_is_recorded_without_buying(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    project.write({"campaign.yaml": spring(prompts={"run": "a run"})})

    assert pipeline("results", project.manifest).code == 0

    results = project.results()
    assert_valid(results, "results")
    assert [job["status"] for job in results["jobs"]] == ["pending"]
    assert len(results["purchases"]) == 2


@pytest.mark.parametrize("name", ["r.json", "r.yaml", "r.yml"])
def test_other_file_and_format_have_the_same_content(
    project: Project, pipeline: Pipeline, tmp_path: Path, name: str
) -> None:
    pipeline("run", project.manifest)

    assert pipeline("results", project.manifest, "--results", tmp_path / name).code == 0
    # The results are read back: a machine that has nothing else buys nothing.
    pipeline.set("VIMMERSE_BASE_URL", "http://127.0.0.1:9")
    ended = pipeline("run", project.manifest, "--results", tmp_path / name, "--state", tmp_path / "fresh.db")
    assert ended.code == 0, ended.output


def test_without_purchases_nothing_is_written_and_the_reason_is_shown(
    project: Project, offline: Pipeline
) -> None:
    ended = offline("results", project.manifest)

    assert ended.code == 0
    assert "spring.results.json: not written, as nothing has been bought" in ended.out
    assert not project.results_file.exists()

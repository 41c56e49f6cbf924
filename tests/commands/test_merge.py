"""`pipeline merge` joins the results of two branches, in any order, and forgets nothing."""

import json
import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

from pipeline.emulator.embedded import Emulator


@pytest.fixture
def branches(project: Project, pipeline: Pipeline, tmp_path: Path) -> tuple[Path, Path]:
    """Two machines that bought without knowing of each other: one prompt in common, one each."""
    found = []
    for branch, prompt in (("ours", "a run"), ("theirs", "a jump")):
        project.write({"campaign.yaml": spring(prompts={"walk": "a walk", branch: prompt})})
        assert pipeline("run", project.manifest).code == 0
        found.append(tmp_path / f"{branch}.json")
        project.results_file.replace(found[-1])
        shutil.rmtree(project.folder / ".pipeline")
        shutil.rmtree(project.folder / "output")
    return found[0], found[1]


def test_order_does_not_matter(branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path) -> None:
    ours, theirs = branches

    assert pipeline("merge", ours, theirs, "--out", tmp_path / "1.json").code == 0
    assert pipeline("merge", theirs, ours, "--out", tmp_path / "2.json").code == 0
    assert pipeline("merge", ours, theirs, ours, "--out", tmp_path / "3.json").code == 0

    whole = (tmp_path / "1.json").read_bytes()
    assert whole == (tmp_path / "2.json").read_bytes() == (tmp_path / "3.json").read_bytes()


def test_machine_with_merged_results_buys_nothing_again(
    branches: tuple[Path, Path], project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert len(vendor.ledger.bought) == 4
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk", "ours": "a run", "theirs": "a jump"})})
    assert pipeline("merge", *branches, "--out", project.results_file).code == 0

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 4
    assert len(project.results()["purchases"]) == 4


def test_git_merge_driver_overwrites_one_of_its_sources(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    ours, theirs = branches
    pipeline("merge", ours, theirs, "--out", tmp_path / "whole.json")

    assert pipeline("merge", ours, theirs, "--out", ours).code == 0
    assert ours.read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_missing_source_is_an_error_and_nothing_is_written(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    ended = pipeline("merge", branches[0], tmp_path / "none.json", "--out", tmp_path / "whole.json")

    assert ended.code == 3
    assert "none.json" in ended.err
    assert not (tmp_path / "whole.json").exists()


def test_results_of_two_campaigns_are_not_merged(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(branches[0].read_text().replace('"campaign": "spring"', '"campaign": "autumn"'))

    ended = pipeline("merge", branches[0], other, "--out", tmp_path / "whole.json")

    assert ended.code == 3
    assert "autumn, spring" in ended.err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "version": 1}', "NaN"])
def test_invalid_results_manifest_is_refused_with_its_position(
    branches: tuple[Path, Path], project: Project, offline: Pipeline, content: str
) -> None:
    project.write({"broken.json": content})

    ended = offline("merge", branches[0], "broken.json", "--out", "whole.json")

    assert ended.code == 3, ended.output
    assert "broken.json:1:" in ended.err
    assert not (project.folder / "whole.json").exists()


def test_missing_output_is_wrong_usage(project: Project, offline: Pipeline) -> None:
    assert offline("merge", project.results_file).code == 64


@pytest.mark.parametrize(
    "content", ["version: 1\nname: spring\n", "\x00\x01 a film", '{"campaign": "spring"}']
)
def test_file_that_is_not_a_results_manifest_is_not_overwritten(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path, content: str
) -> None:
    out = tmp_path / "campaign.yaml"
    out.write_text(content)

    ended = pipeline("merge", *branches, "--out", out)

    assert ended.code == 64, ended.output
    assert "not the results of 'spring', so it is not overwritten; choose another file" in ended.err
    assert out.read_text() == content


def test_results_of_another_campaign_are_not_overwritten(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    out = tmp_path / "autumn.results.json"
    out.write_text(branches[0].read_text().replace('"campaign": "spring"', '"campaign": "autumn"'))

    assert pipeline("merge", *branches, "--out", out).code == 64
    assert '"autumn"' in out.read_text()


def test_results_with_purchases_missing_from_the_sources_are_not_overwritten(
    branches: tuple[Path, Path], pipeline: Pipeline
) -> None:
    ours, theirs = branches
    before = theirs.read_bytes()

    ended = pipeline("merge", ours, "--out", theirs)

    assert ended.code == 64, ended.output
    assert "it has 2 purchases that none of the given files has; pass it too" in ended.err
    assert theirs.read_bytes() == before


def test_results_with_conflict_markers_are_overwritten(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    out = tmp_path / "spring.results.json"
    ours, theirs = (path.read_text().splitlines(keepends=True) for path in branches)
    out.write_text(
        "".join([*ours[:8], "<<<<<<< HEAD\n", *ours[8:], "=======\n", *theirs[8:], ">>>>>>> branch\n"])
    )

    assert pipeline("merge", *branches, "--out", out).code == 0
    assert len(json.loads(out.read_text())["purchases"]) == 4


def test_empty_file_is_overwritten(branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "new.json").touch()

    assert pipeline("merge", *branches, "--out", tmp_path / "new.json").code == 0


def test_link_is_written_through_only_within_the_project(
    branches: tuple[Path, Path], project: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(branches[0].read_bytes())
    (project.folder / "theirs.json").symlink_to(outside)
    (project.folder / "inside.json").touch()
    (project.folder / "ours.json").symlink_to("inside.json")

    refused = pipeline("merge", *branches, "--out", project.folder / "theirs.json")
    assert refused.code == 64, refused.output
    assert "cannot be read, so it is not overwritten: this link leads outside the project" in refused.err
    assert outside.read_bytes() == branches[0].read_bytes()

    assert pipeline("merge", *branches, "--out", project.folder / "ours.json").code == 0
    assert (project.folder / "ours.json").is_symlink()
    assert len(json.loads((project.folder / "inside.json").read_text())["purchases"]) == 4


@pytest.mark.parametrize("name", ["x.decisions.yaml", "x.db"])
def test_name_of_another_kind_of_record_is_refused(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path, name: str
) -> None:
    ended = pipeline("merge", *branches, "--out", tmp_path / name)

    assert ended.code == 64, ended.output
    assert "choose another" in ended.err
    assert not (tmp_path / name).exists()


def test_git_merge_driver_handles_names_without_a_suffix(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    for suffix in ("json", "yaml"):
        whole, ours, theirs = tmp_path / f"whole.{suffix}", tmp_path / ".merge_a", tmp_path / ".merge_b"
        assert pipeline("merge", *branches, "--out", whole).code == 0
        for branch, given in zip(branches, (ours, theirs), strict=True):
            assert pipeline("merge", branch, "--out", tmp_path / f"one.{suffix}").code == 0
            (tmp_path / f"one.{suffix}").replace(given)

        ended = pipeline("merge", ours, theirs, "--out", ours)

        assert ended.code == 0, ended.output
        assert ours.read_bytes() == whole.read_bytes()

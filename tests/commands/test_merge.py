"""`pipeline merge` merges the results of two branches in any order and loses nothing."""

import json
import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

from pipeline.emulator.embedded import Emulator


@pytest.fixture
def branches(project: Project, pipeline: Pipeline, tmp_path: Path) -> tuple[Path, Path]:
    """Two machines that bought independently: one prompt in common, one each."""
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


@pytest.mark.parametrize("name", ["spring.emulated.results.json", "spring.emulated.results.1-of-2.json"])
def test_results_are_of_a_rehearsal_by_their_name_too(
    branches: tuple[Path, Path], pipeline: Pipeline, tmp_path: Path, name: str
) -> None:
    """Those of an older version do not say so in their text."""
    says_so, named_so, out = tmp_path / "says so.json", tmp_path / name, tmp_path / "out.json"
    says_so.write_text(json.dumps({**json.loads(branches[0].read_bytes()), "emulated": True}))
    named_so.write_bytes(branches[1].read_bytes())

    joined = pipeline("merge", says_so, named_so, "--out", out)
    refused = pipeline("merge", branches[0], named_so, "--out", tmp_path / "never.json")

    assert joined.code == 0, joined.output
    assert json.loads(out.read_bytes())["emulated"] is True
    assert refused.code == 3, refused.output
    assert f"{name}: the results of a rehearsal cannot be joined with others" in refused.err


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


WALK, DANCE = "main/loop/red/walk", "main/loop/red/dance"


@pytest.fixture
def decided(project: Project, offline: Pipeline, pipeline: Pipeline) -> tuple[Path, Path]:
    """The decisions of two branches, each of which approves another job's take."""
    assert pipeline("run", project.manifest).code == 0
    file, found = project.folder / "spring.decisions.yaml", []
    for branch, key in (("ours", WALK), ("theirs", DANCE)):
        assert offline("approve", project.manifest, key, "--note", f"by {branch}").code == 0
        found.append(project.folder / f"{branch}.decisions.yaml")
        file.replace(found[-1])
    return found[0], found[1]


def buys(pipeline: Pipeline, project: Project) -> int:
    """How many jobs the next run would buy after every prompt has changed."""
    project.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a jump"})})
    ended = pipeline("plan", project.manifest, "--format", "json")
    assert ended.code == 0, ended.output
    return sum(each["action"] in {"create", "replace"} for each in ended.document["actions"])


def test_decisions_of_two_branches_are_joined_in_any_order_and_none_is_bought_again(
    decided: tuple[Path, Path], project: Project, offline: Pipeline
) -> None:
    ours, theirs = decided
    file = project.folder / "spring.decisions.yaml"

    ended = offline("merge", ours, theirs, "--out", file, "--format", "json")

    assert ended.code == 0, ended.output
    assert ended.document == {"out": str(file), "files": 2, "decisions": 2}
    written = file.read_bytes()
    assert offline("merge", theirs, file, ours, "--out", file).code == 0
    assert file.read_bytes() == written
    assert b"by ours" in written
    assert b"by theirs" in written
    assert buys(offline, project) == 0


def test_git_joins_decisions_with_the_same_driver_whose_names_have_no_suffix(
    decided: tuple[Path, Path], project: Project, offline: Pipeline
) -> None:
    ours, theirs = project.folder / ".merge_a", project.folder / ".merge_b"
    for path, name in zip(decided, (ours, theirs), strict=True):
        path.replace(name)

    assert offline("merge", "--quiet", ours, theirs, "--out", ours).code == 0

    ours.replace(project.folder / "spring.decisions.yaml")
    assert buys(offline, project) == 0


def test_decisions_in_which_git_left_its_markers_are_refused_with_the_way_to_join_them_and_then_replaced(
    decided: tuple[Path, Path], project: Project, offline: Pipeline
) -> None:
    file = project.folder / "spring.decisions.yaml"
    ours, theirs = (path.read_text().splitlines(keepends=True) for path in decided)
    file.write_text(
        "".join([*ours[:3], "<<<<<<< HEAD\n", *ours[3:], "=======\n", *theirs[3:], ">>>>>>> branch\n"])
    )

    refused = offline("plan", project.manifest)

    assert refused.code == 3
    assert "spring.decisions.yaml:4:1: an unresolved merge conflict; keeping only one side" in refused.err
    assert "`pipeline merge OURS THEIRS --out FILE`" in refused.err
    assert offline("merge", *decided, "--out", file).code == 0
    assert buys(offline, project) == 0


def test_decisions_are_not_joined_with_results(
    decided: tuple[Path, Path], project: Project, offline: Pipeline
) -> None:
    ended = offline("merge", decided[0], project.results_file, "--out", "whole.json")

    assert ended.code == 3
    assert "results are joined with results, decisions with decisions" in ended.err
    assert not (project.folder / "whole.json").exists()


def test_only_decisions_that_are_all_given_are_overwritten(
    decided: tuple[Path, Path], project: Project, offline: Pipeline
) -> None:
    ours, theirs = decided
    before = [path.read_bytes() for path in (theirs, project.results_file, project.manifest)]

    for out, reason in (
        (theirs, "it has decisions that none of the given files has"),
        (project.results_file, "not a decisions file"),
        (project.manifest, "not a decisions file"),
        (project.folder / "new.results.json", "that is a name for results"),
    ):
        ended = offline("merge", ours, "--out", out)
        assert ended.code == 64, ended.output
        assert reason in ended.err

    assert [path.read_bytes() for path in (theirs, project.results_file, project.manifest)] == before


@pytest.mark.parametrize("missing", ["none.decisions.yaml", "none.yaml"])
def test_missing_decisions_file_is_an_error(
    decided: tuple[Path, Path], offline: Pipeline, missing: str
) -> None:
    ended = offline("merge", decided[0], missing, "--out", decided[0])

    assert ended.code == 3
    assert f"{missing}: there is no such file" in ended.err

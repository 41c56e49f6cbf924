"""Records in a conflict that nobody has resolved are refused, whether or not git left its markers in them."""

import os
import re
import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.machines import git
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "merge.md"
WALK = "main/loop/red/walk"
RECORDS = ("spring.results.json", "spring.decisions.yaml")


def documented_driver() -> str:
    found = re.search(r'^git config merge\.pipeline\.driver "(.+)"$', PAGE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def branches(project: Project, pipeline: Pipeline) -> Project:
    """A repository on one of two branches, each of which bought and approved something."""
    folder = project.folder
    git(folder, "init", "-q", "--initial-branch=main")
    project.write(
        {
            ".gitignore": "output/\n.pipeline/\n",
            ".gitattributes": "*.results.json merge=pipeline\n*.decisions.yaml merge=pipeline\n",
        }
    )
    commit(project, "campaign")
    for branch, prompt in (("theirs", "a run"), ("ours", "a jump")):
        git(folder, "checkout", "-q", "-b", branch, "main")
        project.write({"campaign.yaml": spring(prompts={"walk": "a walk", branch: prompt})})
        assert pipeline("run", project.manifest).code == 0
        assert pipeline("approve", project.manifest, f"main/loop/red/{branch}").code == 0
        commit(project, branch)
        shutil.rmtree(folder / ".pipeline")
        shutil.rmtree(folder / "output")
    return project


def commit(project: Project, message: str) -> None:
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", message)


def merge(project: Project, driver: str) -> None:
    """Merge the other branch, with a driver that cannot find `pipeline`."""
    git(project.folder, "config", "merge.pipeline.driver", driver)
    tools = Path(shutil.which("git") or "").parent
    before, os.environ["PATH"] = os.environ["PATH"], f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin"
    try:
        assert git(project.folder, "merge", "-q", "theirs", check=False).returncode == 1
    finally:
        os.environ["PATH"] = before
    # The manifest of both branches, so that a run would want what either has bought.
    both = {"walk": "a walk", "theirs": "a run", "ours": "a jump"}
    project.write({"campaign.yaml": spring(prompts=both)})
    git(project.folder, "add", "campaign.yaml")


def joined(project: Project, pipeline: Pipeline) -> None:
    """Resolve the conflict as documented."""
    for name in RECORDS:
        kind = name.removeprefix("spring.")
        for number, side in ((2, "ours"), (3, "theirs")):
            project.write({f"{side}.{kind}": git(project.folder, "show", f":{number}:{name}").stdout})
        sides = [project.folder / f"{side}.{kind}" for side in ("ours", "theirs")]
        assert pipeline("merge", *sides, "--out", project.folder / name).code == 0
        git(project.folder, "add", name)
        for each in sides:
            each.unlink()


def test_where_the_documented_driver_finds_no_pipeline_git_leaves_its_markers(
    branches: Project, pipeline: Pipeline
) -> None:
    merge(branches, documented_driver())

    for name in RECORDS:
        assert "<<<<<<< ours" in (branches.folder / name).read_text()
    assert pipeline("plan", branches.manifest).code == 3


@fails_without("pipeline.operations.workspace:workspace_of", "refuse_unmerged(records, index)")
@pytest.mark.parametrize(
    "command",
    [
        ["run", "--yes"],
        ["plan"],
        ["status"],
        ["collect"],
        ["prune", "--yes"],
        ["destroy", "--yes"],
        ["results"],
        ["verify"],
        ["report"],
        ["approve", WALK],
    ],
    ids=lambda words: words[0],
)
def test_a_whole_file_that_is_one_side_alone_is_refused(
    branches: Project, pipeline: Pipeline, vendor: Emulator, command: list[str]
) -> None:
    merge(branches, "no-such-program %A %B")
    assert "<<<<<<<" not in branches.results_file.read_text()
    before, bought = branches.tree(), len(vendor.ledger.entries)

    ended = pipeline(command[0], branches.manifest, *command[1:])

    assert ended.code == 3, ended.output
    assert f"{' and '.join(RECORDS)}: an unresolved git merge conflict" in ended.err
    assert "`pipeline merge OURS THEIRS --out FILE`" in ended.err
    assert branches.tree() == before
    assert len(vendor.ledger.entries) == bought


@pytest.mark.parametrize("command", ["report", "collect"])
def test_so_it_is_where_only_the_results_are_named(
    branches: Project, pipeline: Pipeline, command: str
) -> None:
    merge(branches, "false")
    branches.manifest.unlink()

    ended = pipeline(command, branches.results_file)

    assert ended.code == 3, ended.output
    assert ": an unresolved git merge conflict" in ended.err


def test_doctor_says_what_is_to_be_done(branches: Project, pipeline: Pipeline) -> None:
    merge(branches, "false")

    ended = pipeline("doctor", branches.manifest, "--format", "json")

    assert ended.code == 3, ended.output
    [said] = [each for each in ended.document["checks"] if each["check"] == "git"]
    assert said["verdict"] == "error"
    assert "`pipeline merge OURS THEIRS --out FILE`" in said["message"]


def test_with_both_sides_joined_nothing_is_bought_again(
    branches: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    merge(branches, "false")
    bought = len(vendor.ledger.entries)

    joined(branches, pipeline)
    ended = pipeline("run", branches.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == bought


def test_results_in_a_folder_of_their_own_are_refused_too(
    branches: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    """They may be in another repository, whose index is asked."""
    merge(branches, "false")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(branches.folder, elsewhere)
    joined(branches, pipeline)
    commit(branches, "joined")

    ended = pipeline("plan", branches.manifest, "--results", elsewhere)

    assert ended.code == 3, ended.output
    assert "spring.results.json: an unresolved git merge conflict" in ended.err
    assert pipeline("plan", branches.manifest).code == 0


def test_conflicts_of_other_files_are_none_of_the_records(branches: Project, pipeline: Pipeline) -> None:
    for branch in ("theirs", "ours"):
        git(branches.folder, "checkout", "-q", branch)
        branches.write({"notes.txt": branch, "summer.results.json": branch})
        git(branches.folder, "rm", "-q", *RECORDS)
        commit(branches, "notes")
    merge(branches, "false")
    assert "notes.txt" in git(branches.folder, "ls-files", "--unmerged").stdout

    assert pipeline("plan", branches.manifest).code == 0


def test_without_git_the_files_are_taken_as_they_are(
    branches: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    merge(branches, "false")
    (tmp_path / "no programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))

    assert pipeline("plan", branches.manifest).code == 0

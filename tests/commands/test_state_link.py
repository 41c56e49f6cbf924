"""A link in place of the state's folder: the operator's own is followed, one that came with the repository is not."""

import subprocess
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project

from pipeline.emulator.embedded import Emulator


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.mark.parametrize("target", [".", "ELSEWHERE", "docs"])
@pytest.mark.parametrize("command", ["run", "plan", "status", "doctor"])
def test_committed_link_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, elsewhere: Path, target: str, command: str
) -> None:
    (project.folder / "docs").mkdir()
    link = project.folder / ".pipeline"
    link.symlink_to(target.replace("ELSEWHERE", str(elsewhere)))
    _git(project.folder, "init", "-q")
    _git(project.folder, "add", "--force", ".pipeline")
    before = project.tree()

    ended = pipeline(command, project.manifest)

    assert ended.code == 3, ended.output
    assert ".pipeline is a link that is committed to git" in ended.output
    assert project.tree() == before
    assert not any(elsewhere.iterdir())
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize("target", [".git", ".git/hooks"])
def test_link_into_git_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, target: str
) -> None:
    _git(project.folder, "init", "-q")
    (project.folder / ".pipeline").symlink_to(target)
    before = project.tree()

    ended = pipeline("run", project.manifest)

    assert ended.code == 3, ended.output
    assert ".pipeline is a link into .git" in ended.err
    assert project.tree() == before
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize("has_git", [True, False])
def test_own_link_to_another_disk_is_followed(
    project: Project, pipeline: Pipeline, vendor: Emulator, elsewhere: Path, has_git: bool
) -> None:
    if has_git:
        _git(project.folder, "init", "-q")
    (project.folder / ".pipeline").symlink_to(elsewhere)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert (elsewhere / "spring.db").exists()
    assert len(vendor.ledger.entries) > 0

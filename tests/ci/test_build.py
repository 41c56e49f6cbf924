"""A release is built twice and kept only if both builds are identical."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci.hosting import ROOT
from pipeline import __version__

SOURCES = ("pipeline", "schemas", "docs", "examples", "manifests", "ci", "locks")
PAGES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "action.yml", "package.json")


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    """A repository with one commit of the released files."""
    folder = tmp_path / "commit"
    folder.mkdir()
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__", "output", ".pipeline", "node_modules")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in PAGES:
        shutil.copy(ROOT / name, folder)
    for command in (
        "init -q .",
        "add --all",
        "-c user.name=a -c user.email=a@example.com commit -q -m first",
    ):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    return folder


def build(commit: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", commit / "ci" / "build.sh", target],
        env={**os.environ, "CAMPAIGN_PYTHON": sys.executable},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_two_builds_of_one_commit_are_identical(commit: Path, tmp_path: Path) -> None:
    ended = build(commit, tmp_path / "dist")

    assert ended.returncode == 0, ended.stderr
    names = {path.name for path in (tmp_path / "dist").iterdir()}
    assert names == {
        f"campaign_pipeline-{__version__}.tar.gz",
        f"campaign_pipeline-{__version__}-py3-none-any.whl",
    }
    again = build(commit, tmp_path / "again")
    assert again.stdout == ended.stdout


def test_archives_that_differ_are_not_kept(commit: Path, tmp_path: Path) -> None:
    """The build time in them, for instance."""
    script = commit / "ci" / "build.sh"
    stamped = '(cd "$work/$name" && date +%N > pipeline/when.txt &&'
    script.write_text(script.read_text("utf-8").replace('(cd "$work/$name" &&', stamped), "utf-8")

    ended = build(commit, tmp_path / "dist")

    assert ended.returncode == 1
    assert "two builds of this commit are not equal" in ended.stderr
    assert list((tmp_path / "dist").iterdir()) == []

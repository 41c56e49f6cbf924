"""Paths that stay inside the project."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.paths import confined, project_root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "campaigns" / "images").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "common").mkdir()
    (root / "common" / "logo.png").write_bytes(b"logo")
    (tmp_path / "secret").write_bytes(b"secret")
    return root


@pytest.mark.parametrize(
    "path", ["images/a.png", "./images/../images/a.png", "../common/logo.png", "a b/é.png", ""]
)
def test_path_inside_the_project_is_accepted(project: Path, path: str) -> None:
    base = project / "campaigns"
    assert confined(path, base, project) == Path(os.path.normpath(base / path))


@fails_without(
    "pipeline.paths:confined",
    "if not real.is_relative_to",
    swap=("real.is_relative_to(root.resolve()", "real.is_absolute("),
)
@pytest.mark.parametrize(
    "path",
    [
        "../../secret",
        "../..",
        "/etc/passwd",
        "images/../../../secret",
        "C:/x",
        "c:x",
        "a\\b",
        "..\\..\\secret",
        "a\0b",
    ],
)
def test_path_outside_the_project_is_rejected(project: Path, path: str) -> None:
    with pytest.raises(ValueError):
        confined(path, project / "campaigns", project)


@given(st.lists(st.sampled_from(["..", ".", "images", "common", "x", "project"]), max_size=8).map("/".join))
def test_no_path_escapes_the_project(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    root = tmp_path_factory.getbasetemp() / "somewhere" / "project"
    try:
        found = confined(path, root / "campaigns", root)
    except ValueError:
        assert not Path(os.path.normpath(root / "campaigns" / path)).is_relative_to(root)
    else:
        assert PurePosixPath(found).is_relative_to(root)


def test_link_out_of_the_project_is_rejected_and_one_inside_is_accepted(project: Path) -> None:
    base = project / "campaigns"
    (base / "out").symlink_to(project.parent)
    (base / "in").symlink_to(project / "common")
    assert confined("in/logo.png", base, project) == project / "common" / "logo.png"
    with pytest.raises(ValueError, match="outside the project"):
        confined("out/secret", base, project)


def test_project_is_the_nearest_folder_with_git_above_the_manifest(project: Path) -> None:
    assert project_root(project / "campaigns" / "a.yaml") == project
    (project / "campaigns" / ".git").write_text("gitdir: elsewhere")
    assert project_root(project / "campaigns" / "a.yaml") == project / "campaigns"


def test_project_without_git_is_the_folder_of_the_manifest(project: Path) -> None:
    (project / ".git").rmdir()
    found = project_root(project / "campaigns" / "a.yaml")
    assert found == project / "campaigns" or (found / ".git").exists()

"""Paths that stay inside the project."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.paths import confined, project_root, tracked


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


class TestTracked:
    """What version control has to hold unchanged for the same to be read."""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("common/logo.png", ["common/logo.png"]),
            ("campaigns/../common/./logo.png", ["common/logo.png"]),
            ("campaigns/none/at-all.yaml", ["campaigns/none/at-all.yaml"]),
            ("campaigns/logo.png", ["campaigns/logo.png", "common/logo.png"]),
            ("linked/logo.png", ["common/logo.png", "linked"]),
            ("campaigns/again.png", ["campaigns/again.png", "campaigns/logo.png", "common/logo.png"]),
            ("through/../common/logo.png", ["common/logo.png", "through"]),
            ("absolute.png", ["absolute.png", "common/logo.png"]),
            ("module/deep/a.png", ["module", "module/deep", "module/deep/a.png"]),
            ("campaigns/dangling", ["campaigns/dangling", "common/none"]),
            ("campaigns/outside", ["campaigns/outside"]),
            ("../secret", []),
            ("", []),
        ],
    )
    def test_links_files_and_submodules_are_listed(
        self, project: Path, path: str, expected: list[str]
    ) -> None:
        (project / "campaigns" / "logo.png").symlink_to("../common/logo.png")
        (project / "campaigns" / "again.png").symlink_to("logo.png")
        (project / "campaigns" / "dangling").symlink_to("../common/none")
        (project / "campaigns" / "outside").symlink_to("../../secret")
        (project / "linked").symlink_to("common")
        (project / "through").symlink_to("campaigns/images/../../campaigns")
        (project / "absolute.png").symlink_to(project / "common" / "logo.png")
        (project / "module" / "deep").mkdir(parents=True)
        for submodule in ("module", "module/deep"):
            (project / submodule / ".git").write_text("gitdir: elsewhere\n")
        root = Path(os.path.realpath(project))

        assert tracked([project / path], root) == tuple(expected)

    def test_circle_of_links_ends(self, project: Path) -> None:
        (project / "a").symlink_to("b")
        (project / "b").symlink_to("a")

        assert {"a", "b"} <= set(tracked([project / "a" / "file"], Path(os.path.realpath(project))))

    def test_relative_path_is_from_the_working_folder(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(project / "campaigns")

        assert tracked([Path("../common/logo.png")], Path(os.path.realpath(project))) == ("common/logo.png",)

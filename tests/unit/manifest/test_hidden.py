"""No reader of a manifest opens a hidden file or the target of a link out of the project; no error quotes one."""

from pathlib import Path

import pytest
from support.protection import fails_without

from manifest.authoring import ANYTHING, HEAD, READERS, Project, png
from pipeline.errors import InvalidInput
from pipeline.manifest.discover import find
from pipeline.manifest.load import load

SECRET = "extraheader = AUTHORIZATION: basic c2VjcmV0"
HIDDEN = ".git/config"


@pytest.fixture
def secret(project: Project) -> Project:
    """A project with secrets: in its `.git`, in a hidden file, and behind links that look harmless."""
    project.write(HIDDEN, f"[http]\n{SECRET}\n: : {{\n")
    project.write(".env", SECRET)
    project.write("deep/.secrets/key", SECRET)
    outside = project.root.parent / "outside"
    outside.mkdir()
    (outside / "key").write_text(SECRET)
    (project.root / "link").symlink_to(HIDDEN)
    (project.root / "folder").symlink_to(".git")
    (project.root / "out").symlink_to(outside)
    (project.root / "key").symlink_to(outside / "key")
    return project


@pytest.mark.parametrize(
    "path", [HIDDEN, ".env", "deep/.secrets/key", "link", "folder/config", "./deep/../.env"]
)
@pytest.mark.parametrize("reader", READERS)
@fails_without("pipeline.paths:readable", "refuse_hidden(real.relative_to")
def test_no_hidden_file_is_opened(secret: Project, reader: str, path: str) -> None:
    problems = secret.problems(READERS[reader].replace("PATH", path))

    assert any("is hidden, and hidden files are not read" in each.message for each in problems)
    assert not any(SECRET in f"{each} {each.source}" for each in problems)


@pytest.mark.parametrize("path", ["out/key", "key", "../outside/key"])
@pytest.mark.parametrize("reader", READERS)
def test_no_file_linked_outside_the_project_is_opened(secret: Project, reader: str, path: str) -> None:
    problems = secret.problems(READERS[reader].replace("PATH", path))

    assert any("leads outside the project" in each.message for each in problems)
    assert not any(SECRET in f"{each} {each.source}" for each in problems)


def test_glob_skips_folders_that_are_hidden_or_lead_outside(secret: Project) -> None:
    for path in (".git/red.png", "../outside/blue.png", "seen/green.png"):
        secret.write(path, png())
    keys = secret.keys(ANYTHING + "image_sets: {shoes: {glob: '*/*.png'}}\n")
    assert keys == ["main/any/green"]
    keys = secret.keys(ANYTHING + "image_sets: {shoes: {glob: '**/*.png'}}\n")
    assert keys == ["main/any/green"]
    for pattern in (".git/*", "*/.secrets/*", ".*", "**/.env"):
        assert "is hidden" in secret.messages(ANYTHING + f"image_sets: {{shoes: {{glob: '{pattern}'}}}}\n")


def test_hidden_is_judged_below_the_project_root(tmp_path: Path) -> None:
    project = Project(tmp_path / ".cache" / "project")
    project.write(".git", "gitdir: elsewhere\n")
    project.image("images/red.png")
    assert project.keys(ANYTHING + "image_sets: {shoes: [images/red.png]}\n") == ["main/any/red"]


def test_manifest_named_by_the_operator_may_be_hidden(project: Project) -> None:
    project.image("images/red.png")
    manifest = project.write(
        ".campaigns/spring.yaml", HEAD + ANYTHING + "image_sets: {shoes: [../images/red.png]}\n"
    )
    assert load(manifest).name == "spring"
    assert find([manifest.parent]) == [manifest]


class TestFoldersOfCampaigns:
    def test_linked_folder_is_not_followed_out_of_its_project(
        self, secret: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (secret.root.parent / "outside" / "c.yaml").write_text(f"{HEAD}{SECRET}\n")
        monkeypatch.chdir(secret.root)
        for path in ("out", "./out", "out/.", "deep/../out", str(secret.root / "out")):
            with pytest.raises(InvalidInput, match="link leads outside the project") as raised:
                find([Path(path)])
            assert SECRET not in str(raised.value)

    def test_manifest_behind_a_linked_folder_is_not_followed(
        self, secret: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (secret.root.parent / "outside" / "c.yaml").write_text(f"{HEAD}{SECRET}\n")
        monkeypatch.chdir(secret.root)
        with pytest.raises(InvalidInput, match="link leads outside the project"):
            load(Path("out/c.yaml"))

    def test_link_to_a_hidden_folder_is_not_followed(
        self, secret: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(secret.root)
        with pytest.raises(InvalidInput, match=r"link leads to '\.git', which is hidden"):
            find([Path("folder")])
        with pytest.raises(InvalidInput, match=r"link leads to '\.git', which is hidden") as raised:
            load(Path("link"))
        assert raised.value.problems[0].source == ""

    @fails_without("pipeline.paths:_refuse_link", "if hidden and")
    def test_links_within_a_folder_are_not_followed(self, secret: Project) -> None:
        (secret.root.parent / "outside" / "c.yaml").write_text(f"{HEAD}{SECRET}\n")
        secret.write(".git/c.yaml", f"{HEAD}{SECRET}\n")
        (secret.root / "deep" / "one.yaml").symlink_to("../../outside/c.yaml")
        (secret.root / "deep" / "two.yaml").symlink_to("../.git/c.yaml")
        (secret.root / "deep" / "gone.yaml").symlink_to("../../outside/gone.yaml")
        with pytest.raises(InvalidInput) as raised:
            find([secret.root / "deep"])
        assert [each.message.partition(" the project")[0] for each in raised.value.problems] == [
            "this link leads outside",
            "this link leads to '.git', which is hidden; name the file itself",
        ]

    def test_link_within_the_project_is_followed(self, project: Project) -> None:
        manifest = project.write("campaigns/spring.yaml", HEAD + ANYTHING)
        (project.root / "current").symlink_to("campaigns")
        (project.root / "campaigns" / "again.yaml").symlink_to("spring.yaml")
        assert load(project.root / "current" / "spring.yaml").manifest == manifest
        assert find([project.root / "current"]) == [
            project.root / "current" / "again.yaml",
            project.root / "current" / "spring.yaml",
        ]

    def test_link_outside_any_project_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "spring.yaml").write_text(HEAD + ANYTHING)
        (tmp_path / "link").symlink_to("real")
        assert load(tmp_path / "link" / "spring.yaml").name == "spring"


@pytest.mark.parametrize("folder", [".git/refs/heads", "./.made", "deep/.made", ".made/../made", "folder"])
def test_output_folder_must_not_be_hidden(secret: Project, folder: str) -> None:
    found = secret.problems(f"{ANYTHING}output: {{dir: {folder}}}\n")
    (problem,) = [each for each in found if each.severity == "error"]

    assert "is hidden, and nothing is written there" in problem.message
    assert str(problem.position) == "campaign.yaml:4:15"


def test_output_folder_beside_a_manifest_in_a_hidden_folder_is_allowed(project: Project) -> None:
    manifest = project.write(".campaigns/spring.yaml", HEAD + ANYTHING + "output: {dir: made}\n")
    assert load(manifest).output.dir == project.root / ".campaigns" / "made"

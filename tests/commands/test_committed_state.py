"""A link in place of the state's folder: the operator's own is followed, one that came with the repository is not."""

import shutil
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


@pytest.mark.parametrize("name", [".pipeline", ".pipeline/spring.db"])
@pytest.mark.parametrize("command", ["run", "plan", "status", "collect", "prune", "verify"])
def test_link_to_nothing_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, elsewhere: Path, name: str, command: str
) -> None:
    """What was bought lies behind it: to begin without it would buy everything again."""
    assert pipeline("run", project.manifest).code == 0
    kept = project.folder / name
    kept.rename(elsewhere / "disk")
    kept.symlink_to(elsewhere / "disk")
    assert pipeline("plan", project.manifest, "--detailed-exitcode").code == 0
    (elsewhere / "disk").rename(elsewhere / "not mounted")
    project.results_file.unlink()
    bought = len(vendor.ledger.entries)

    ended = pipeline(command, project.manifest)

    assert ended.code == 3, ended.output
    assert f"{name}: this link leads to nothing" in ended.output
    assert len(vendor.ledger.entries) == bought


@pytest.mark.parametrize(
    ("target", "rest"), [("disk", "spring.db"), ("disk/spring.db", ""), ("disk", "deeper/spring.db")]
)
@pytest.mark.parametrize("is_variable", [False, True])
@pytest.mark.parametrize("command", ["run", "plan", "collect"])
def test_link_to_nothing_on_the_way_to_a_chosen_state_is_refused(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    elsewhere: Path,
    target: str,
    rest: str,
    is_variable: bool,
    command: str,
) -> None:
    """A disk that is not mounted has what was bought: with a new state, everything would be bought again."""
    link, disk = elsewhere / "link.db", elsewhere / "disk"
    disk.mkdir()
    assert pipeline("run", project.manifest, "--state", elsewhere / target / rest).code == 0
    link.symlink_to(elsewhere / target)
    chosen: tuple[str | Path, ...] = ("--state", link / rest)
    if is_variable:
        pipeline.set("PIPELINE_STATE", str(link / rest))
        chosen = ()
    assert pipeline("plan", project.manifest, "--detailed-exitcode", *chosen).code == 0
    disk.rename(elsewhere / "not mounted")
    project.results_file.unlink()
    bought = len(vendor.ledger.entries)

    ended = pipeline(command, project.manifest, *chosen)

    assert ended.code == 3, ended.output
    assert "link.db: this link leads to nothing" in ended.output
    assert len(vendor.ledger.entries) == bought
    assert not disk.exists()


@pytest.mark.parametrize(
    ("target", "rest"), [("disk", "r.results.json"), ("disk/r.results.json", ""), ("disk", "")]
)
@pytest.mark.parametrize("is_variable", [False, True])
@pytest.mark.parametrize("command", ["run", "plan"])
def test_link_to_nothing_on_the_way_to_chosen_results_is_refused(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    elsewhere: Path,
    target: str,
    rest: str,
    is_variable: bool,
    command: str,
) -> None:
    """Another machine knows only from them what was bought."""
    link, disk = elsewhere / "link", elsewhere / "disk"
    disk.mkdir()
    assert pipeline("run", project.manifest, "--results", elsewhere / target / rest).code == 0
    link.symlink_to(elsewhere / target)
    chosen: tuple[str | Path, ...] = ("--results", link / rest)
    if is_variable:
        pipeline.set("PIPELINE_RESULTS", str(link / rest))
        chosen = ()
    assert pipeline("plan", project.manifest, "--detailed-exitcode", *chosen).code == 0
    disk.rename(elsewhere / "not mounted")
    shutil.rmtree(project.folder / ".pipeline")
    bought = len(vendor.ledger.entries)

    ended = pipeline(command, project.manifest, *chosen)

    assert ended.code == 3, ended.output
    assert "link: this link leads to nothing" in ended.output
    assert len(vendor.ledger.entries) == bought
    assert not disk.exists()


def test_link_to_nothing_on_the_way_to_results_is_refused_without_the_manifest_too(
    project: Project, pipeline: Pipeline, elsewhere: Path
) -> None:
    """Results name the workflows of other machines, which the state does not know."""
    assert pipeline("run", project.manifest).code == 0
    project.manifest.write_text("not a manifest")
    (project.folder / "link").symlink_to(elsewhere / "not mounted")

    ended = pipeline("collect", project.manifest, "--results", project.folder / "link" / "r.results.json")

    assert ended.code == 3, ended.output
    assert "link: this link leads to nothing" in ended.output


@pytest.mark.parametrize(
    "name", ["link.results.json", "link/spring.results.json", "link.db", "link/spring.db"]
)
def test_records_that_are_collected_behind_a_link_to_nothing_are_refused_as_such(
    project: Project, pipeline: Pipeline, elsewhere: Path, name: str
) -> None:
    (project.folder / name.split("/")[0]).symlink_to(elsewhere / "not mounted")

    ended = pipeline("collect", project.folder / name)

    assert ended.code == 3, ended.output
    assert f"{name.split('/')[0]}: this link leads to nothing" in ended.output


class TestFolderThatGitTracks:
    """A real folder, with something in it that came with the repository."""

    @pytest.fixture(autouse=True)
    def checkout(self, project: Project) -> None:
        _git(project.folder, "init", "-q")

    @pytest.mark.parametrize("command", ["run", "plan", "status", "doctor", "prune", "collect"])
    def test_committed_state_is_refused(
        self, project: Project, pipeline: Pipeline, vendor: Emulator, command: str
    ) -> None:
        """Else `prune` would delete workflows of others that it names as bought here."""
        assert pipeline("run", project.manifest).code == 0
        _git(project.folder, "add", "--force", ".pipeline/spring.db")
        before, sent = project.tree(), len(vendor.ledger.entries)

        ended = pipeline(command, project.manifest)

        assert ended.code == 3, ended.output
        assert ".pipeline/spring.db is committed to git" in ended.output
        assert "git rm -r .pipeline" in ended.output
        assert project.tree() == before
        assert len(vendor.ledger.entries) == sent

    @pytest.mark.parametrize("emulate", [True, False])
    def test_committed_link_in_it_is_refused(
        self, project: Project, pipeline: Pipeline, elsewhere: Path, emulate: bool
    ) -> None:
        name, flags = ("spring.emulator", ["--emulate"]) if emulate else ("spring.db", [])
        (project.folder / ".pipeline").mkdir()
        (project.folder / ".pipeline" / name).symlink_to(elsewhere if emulate else elsewhere / "evil.db")
        _git(project.folder, "add", "--force", ".pipeline")

        ended = pipeline("run", project.manifest, *flags)

        assert ended.code == 3, ended.output
        assert f".pipeline/{name} is committed to git" in ended.err
        assert not any(elsewhere.iterdir())

    @pytest.mark.parametrize("source", ["spring.results.json", ".pipeline/spring.db"])
    def test_collect_without_the_manifest_refuses_a_committed_state(
        self, project: Project, pipeline: Pipeline, source: str
    ) -> None:
        assert pipeline("run", project.manifest).code == 0
        project.manifest.unlink()
        _git(project.folder, "add", "--force", ".pipeline/spring.db")

        ended = pipeline("collect", project.folder / source)

        assert ended.code == 3, ended.output
        assert ".pipeline/spring.db is committed to git" in ended.err

    @pytest.mark.parametrize("source", ["campaign.yaml", "spring.results.json"])
    @pytest.mark.parametrize("has_manifest", [True, False])
    def test_report_refuses_a_committed_folder(
        self, project: Project, pipeline: Pipeline, elsewhere: Path, source: str, has_manifest: bool
    ) -> None:
        """Its stills would be written to where a link leads."""
        assert pipeline("run", project.manifest).code == 0
        cache = project.folder / ".pipeline/cache"
        shutil.rmtree(cache, ignore_errors=True)
        cache.symlink_to(elsewhere)
        _git(project.folder, "add", "--force", ".pipeline/cache")
        if not has_manifest:
            project.manifest.write_text("no manifest any more")

        ended = pipeline("report", project.folder / source)

        assert ended.code == 3, ended.output
        assert ".pipeline/cache is committed to git" in ended.err
        assert not any(elsewhere.iterdir())

    def test_settings_for_paths_of_the_operator_do_not_matter(
        self, project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert pipeline("run", project.manifest).code == 0
        _git(project.folder, "add", "--force", ".pipeline/spring.db")
        monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
        monkeypatch.setenv("GIT_GLOB_PATHSPECS", "1")

        assert pipeline("plan", project.manifest).code == 3

    def test_own_link_in_it_is_followed(
        self, project: Project, pipeline: Pipeline, vendor: Emulator, elsewhere: Path
    ) -> None:
        (project.folder / ".pipeline").mkdir()
        (project.folder / ".pipeline/cache").symlink_to(elsewhere)

        ended = pipeline("run", project.manifest)

        assert ended.code == 0, ended.output
        assert len(vendor.ledger.entries) > 0

    def test_state_that_was_committed_elsewhere_is_used(self, project: Project, pipeline: Pipeline) -> None:
        state = project.folder / "kept/spring.db"
        assert pipeline("run", project.manifest, "--state", state).code == 0
        _git(project.folder, "add", "--force", "kept/spring.db")

        assert pipeline("plan", project.manifest, "--state", state).code == 0

    @pytest.mark.parametrize("has_link", [True, False])
    def test_without_git_a_folder_is_used_and_a_link_in_it_refused(
        self,
        project: Project,
        pipeline: Pipeline,
        monkeypatch: pytest.MonkeyPatch,
        elsewhere: Path,
        has_link: bool,
    ) -> None:
        assert pipeline("run", project.manifest).code == 0
        if has_link:
            (project.folder / ".pipeline/other.db").symlink_to(elsewhere / "evil.db")
        monkeypatch.setenv("PATH", str(elsewhere))

        ended = pipeline("plan", project.manifest)

        assert ended.code == (3 if has_link else 0), ended.output
        assert ("git cannot say whether it came with the repository" in ended.err) == has_link


def test_committed_file_of_what_git_ignores_is_no_state(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    _git(project.folder, "init", "-q")
    (project.folder / ".pipeline").mkdir()
    (project.folder / ".pipeline/.gitignore").write_text("*\n")
    _git(project.folder, "add", "--force", ".pipeline/.gitignore")

    assert pipeline("run", project.manifest).code == 0

"""`pipeline init` creates a campaign that runs unchanged, and overwrites nothing."""

import shlex
from pathlib import Path

import pytest
from support.calling import Pipeline

from pipeline.emulator.settings import EmulatorSettings
from pipeline.manifest.load import load


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded emulator makes tiny media immediately."""
    monkeypatch.setattr("pipeline.emulator.settings.EmulatorSettings", EmulatorSettings.tiny)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_new_campaign_is_valid_and_runs(offline: Pipeline, folder: Path, tiny: None) -> None:
    assert offline("init", "spring-launch").code == 0

    valid = offline("validate", "spring-launch")
    ran = offline("run", "spring-launch/campaign.yaml", "--emulate")

    assert valid.code == 0, valid.output
    assert "warning" not in valid.output
    assert ran.code == 0, ran.output
    made = folder / "spring-launch" / "output" / "spring-launch" / "emulated"
    assert len(list(made.rglob("*.mp4"))) == 2


def test_git_ignores_run_files_and_keeps_line_endings(offline: Pipeline, folder: Path) -> None:
    offline("init")

    ignored = (folder / ".gitignore").read_text().splitlines()

    assert {"output/", ".pipeline/", "*.emulated.results.json"} <= set(ignored)
    assert (folder / ".gitattributes").read_text() == "* text=auto eol=lf\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spring", "spring"),
        ("Été & more", "Ete-more"),
        ("123", "123"),
        ("true", "true"),
        ("1e3", "1e3"),
        ("11111111111111111111", "11111111111111111111"),
        ("017", "017"),
        ("1e999", "1e999"),
        ("…", "my-campaign"),
        ("x" * 200, "x" * 100),
    ],
)
def test_campaign_is_named_after_its_folder(
    offline: Pipeline, folder: Path, name: str, expected: str
) -> None:
    assert offline("init", name).code == 0

    assert load(folder / name / "campaign.yaml").name == expected


def test_folder_of_another_campaign_is_left_alone(offline: Pipeline, folder: Path) -> None:
    (folder / "campaign.yaml").write_text("mine")

    ended = offline("init")

    assert ended.code == 64
    assert "exists already" in ended.err
    assert contents(folder) == {"campaign.yaml": b"mine"}


def test_existing_files_are_kept_and_missing_entries_are_reported(offline: Pipeline, folder: Path) -> None:
    workflow = folder / ".github" / "workflows" / "campaigns.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("mine")
    (folder / ".gitignore").write_text("output/\n")
    (folder / "images").mkdir()
    (folder / "images" / "red.png").symlink_to(folder / "nowhere")

    ended = offline("init")

    assert ended.code == 0, ended.output
    assert workflow.read_text() == "mine"
    assert (folder / ".gitignore").read_text() == "output/\n"
    assert "add .pipeline/, *.emulated.results.json" in ended.out
    assert not (folder / "nowhere").exists()


def test_workflow_is_written_where_github_looks_for_it(offline: Pipeline, folder: Path) -> None:
    (folder / ".git").mkdir()

    ended = offline("init", "campaigns/spring")

    assert ended.code == 0, ended.output
    [workflow] = folder.rglob("*.yml")
    assert workflow == folder / ".github" / "workflows" / "campaigns.yml"
    assert "pipeline validate . --format github" in workflow.read_text()


@pytest.mark.parametrize("where", [".camp", "campaigns/.spring", ".camp/spring"])
def test_hidden_folder_is_refused_because_its_images_could_not_be_read(
    offline: Pipeline, folder: Path, where: str
) -> None:
    (folder / ".git").mkdir()

    ended = offline("init", where)

    assert ended.code == 64
    assert "is hidden, and hidden files are not read" in ended.err
    assert contents(folder) == {}


def test_suggested_command_can_be_pasted(offline: Pipeline, folder: Path, tiny: None) -> None:
    suggested = offline("init", "'tis a test").out.splitlines()[-1]

    ran = offline(*shlex.split(suggested)[1:])

    assert ran.code == 0, ran.output


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_file_in_place_of_the_folder_is_reported(offline: Pipeline, folder: Path, where: str) -> None:
    (folder / "file").write_text("mine")

    ended = offline("init", where)

    assert ended.code in {8, 64}
    assert "file" in ended.err
    assert contents(folder) == {"file": b"mine"}

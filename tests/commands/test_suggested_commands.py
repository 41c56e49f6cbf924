"""Commands that messages suggest can be pasted: they give the vars again that the command was given."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring

import pipeline as public
from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
SEASON = ("--var", "season=late 'summer'")


@pytest.fixture
def project(folder: Path) -> Project:
    """A campaign with two vars that have no default."""
    prompts = {"walk": "a walk in {{ season }}", "dance": "a dance in {{ place }}"}
    return campaign(folder, {"campaign.yaml": spring(prompts=prompts), "a b.yaml": {"place": "the rain"}})


def suggested(text: str, verb: str) -> list[str]:
    found = re.search(f"`pipeline ({verb} [^`]+)`", text)
    assert found is not None, text
    return shlex.split(found[1].replace("--workflow-id ID", "--not-bought"))


def test_command_gives_the_vars_again(project: Project, pipeline: Pipeline) -> None:
    given = (*SEASON, "--var-file", "a b.yaml")
    assert pipeline("run", project.manifest, *given).code == 0
    shutil.rmtree(project.folder / "output")

    said = pipeline("plan", project.manifest, *given).out
    ended = pipeline(*suggested(said, "collect"))

    assert ended.code == 0, ended.output
    assert len(list((project.folder / "output").rglob("*.mp4"))) == 2


@pytest.fixture
def unknown(project: Project, pipeline: Pipeline, vendor: Emulator) -> str:
    """What the run of a saved plan says of an outcome that is unknown."""
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    given = (*SEASON, "--var", "place=the rain")
    assert pipeline("plan", project.manifest, *given, "--out", "plan.json").code == 0
    ended = pipeline("run", "plan.json")
    assert ended.code == 7, ended.output
    return ended.out


def test_run_of_a_saved_plan_suggests_commands_with_its_vars(unknown: str, pipeline: Pipeline) -> None:
    ended = pipeline(*suggested(unknown, "resolve"))

    assert ended.code == 0, ended.output


def test_collect_from_records_suggests_the_vars_that_it_was_given(
    unknown: str, project: Project, pipeline: Pipeline
) -> None:
    kept = project.manifest.read_bytes()
    project.write({"campaign.yaml": "version: 1\nname: [\n"})
    ended = pipeline("collect", project.manifest, *SEASON, "--var", "place=the rain")
    assert ended.code == 7, ended.output
    project.manifest.write_bytes(kept)

    ended = pipeline(*suggested(ended.out, "resolve"))

    assert ended.code == 0, ended.output


def test_command_for_one_of_several_campaigns_gives_no_var_of_another(
    project: Project, pipeline: Pipeline
) -> None:
    other = spring(name="other", prompts={"walk": "a walk in {{ weather }}"}, output={"dir": "other"})
    project.write({"other.yaml": other})
    given = (*SEASON, "--var", "place=the rain")
    assert pipeline("run", project.manifest, *given).code == 0
    shutil.rmtree(project.folder / "output")

    said = pipeline("plan", project.manifest, "other.yaml", *given, "--var", "weather=fog").out
    ended = pipeline(*suggested(said, "collect"))

    assert ended.code == 0, ended.output


def test_gallery_is_suggested_with_the_vars(
    project: Project, offline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    said = offline("run", project.manifest, *SEASON, "--var", "place=the rain", "--emulate", "--yes").out
    ended = offline(*suggested(said, "report"))

    assert ended.code == 0, ended.output
    assert len(opened) == 1


def test_address_with_a_possible_password_is_left_to_the_user(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    secret = "https://cdn.example/x?sign=s3cret"

    said = pipeline("run", project.manifest, "--var", f"season={secret}", "--var", "place=x").out
    words = suggested(said, "resolve")

    assert "s3cret" not in said
    assert words[2:6] == ["--var", "season", "--var", "place=x"]
    assert pipeline(*words).code == 64


def test_python_functions_suggest_the_vars(project: Project, vendor: Emulator) -> None:
    variables = {"season": "late 'summer'", "place": "1"}

    planned = public.plan(project.manifest, variables=variables, emulate=True)

    assert shlex.split(planned.target)[2:] == [*SEASON, "--var", 'place="1"']


def test_path_is_suggested_without_detours(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    (project.folder / "plans").mkdir()

    said = pipeline("run", project.manifest, *SEASON, "--var", "place=x", "--results", "plans/../kept/").out

    words = suggested(said, "resolve")
    assert words[words.index("--results") + 1] == "kept/"
    assert pipeline(*words).code == 0


def test_path_through_a_link_is_suggested_as_it_was_given(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    (project.folder / "far" / "away").mkdir(parents=True)
    (project.folder / "link").symlink_to("far/away")

    said = pipeline("run", project.manifest, *SEASON, "--var", "place=x", "--results", "link/../kept/").out

    words = suggested(said, "resolve")
    assert words[words.index("--results") + 1] == "link/../kept/"
    assert pipeline(*words).code == 0

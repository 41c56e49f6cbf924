"""A record given in place of its manifest is recognised, instead of reported as a manifest full of errors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project

COMMANDS = ["run", "plan", "validate", "expand", "status"]
WALK = "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0
    assert pipeline("plan", project.manifest, "--out", "saved.json").code == 0
    return project


def message(pipeline: Pipeline, command: str, name: str) -> str:
    """The one line that a command prints about the file `name`."""
    ended = pipeline(command, name)
    assert ended.code == 3, ended.output
    line, *guide = ended.output.splitlines()
    assert guide in (
        [],
        ["What to do: correct what is named above, and run it again (docs/how-to/recover.md#exit-code-3)"],
    )
    return line.removeprefix("error: ")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spring.results.json", "this is a results manifest; name its manifest, campaign.yaml"),
        ("spring.decisions.yaml", "this is a decisions file; name its campaign's manifest"),
        (
            ".pipeline/spring.db",
            "this is a state (a SQLite database), which only `collect` takes; name its campaign's manifest",
        ),
    ],
)
def test_record_is_recognised(
    bought: Project, pipeline: Pipeline, command: str, name: str, expected: str
) -> None:
    assert message(pipeline, command, name) == f"{name}: {expected}"


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "run"])
def test_saved_plan_is_recognised(bought: Project, pipeline: Pipeline, command: str) -> None:
    expected = "saved.json: this is a saved plan, which only `run` takes; name its manifest, campaign.yaml"
    assert message(pipeline, command, "saved.json") == expected


def test_results_under_another_name_are_recognised(bought: Project, pipeline: Pipeline) -> None:
    (bought.folder / "sub").mkdir()
    shutil.copy(bought.results_file, bought.folder / "sub/copy.yaml")

    expected = "sub/copy.yaml: this is a results manifest; name its manifest, sub/campaign.yaml"
    assert message(pipeline, "plan", "sub/copy.yaml") == expected


def large(path: Path) -> None:
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({**document, "tool": "x" * (3 << 20)}))


def conflicting(path: Path) -> None:
    path.write_text(f"<<<<<<< ours\n{path.read_text()}")


@pytest.mark.parametrize("damage", [large, conflicting])
def test_damaged_results_are_recognised(
    bought: Project, pipeline: Pipeline, damage: Callable[[Path], None]
) -> None:
    damage(bought.results_file)

    expected = "spring.results.json: this is a results manifest; name its campaign's manifest"
    assert message(pipeline, "plan", "spring.results.json") == expected


def test_collect_does_not_treat_them_as_an_unreadable_manifest(bought: Project, pipeline: Pipeline) -> None:
    shutil.rmtree(bought.folder / "output")

    for name in ("saved.json", "spring.decisions.yaml"):
        assert "name its" in message(pipeline, "collect", name)
    assert bought.output() == {}

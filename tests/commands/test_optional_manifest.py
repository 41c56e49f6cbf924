"""MANIFEST is optional if the working folder has exactly one campaign, except for commands that delete."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, chained, spring

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
ALONE = [
    ("validate",),
    ("plan",),
    ("expand",),
    ("run",),
    ("status",),
    ("verify",),
    ("results",),
    ("collect",),
    ("state", "export"),
    ("report",),
]
WITH_NAMES = [("show", WALK), ("approve", WALK), ("redo", WALK), ("rate", WALK, "--delivered")]


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign beside a base, prompts and other YAML files that are not campaigns."""
    project.write({"base.yaml": {"version": 1, "vars": {}}, "notes.yml": "a: 1\n", "empty.yaml": ""})
    assert pipeline("run").code == 0
    return project


@pytest.mark.parametrize("command", [*ALONE, *WITH_NAMES], ids=lambda each: each[0])
def test_only_campaign_in_the_folder_is_used(
    bought: Project, pipeline: Pipeline, command: tuple[str, ...]
) -> None:
    ended = pipeline(*command)

    assert ended.code == 0, ended.output


@pytest.mark.parametrize("command", [*ALONE, *WITH_NAMES], ids=lambda each: each[0])
def test_one_of_several_campaigns_must_be_named(
    bought: Project, pipeline: Pipeline, command: tuple[str, ...]
) -> None:
    bought.write({"stages.yaml": chained()})

    ended = pipeline(*command)

    assert ended.code == 64, ended.output
    assert "several campaigns are here; name one: campaign.yaml, stages.yaml" in ended.err


@pytest.mark.parametrize("command", [*ALONE, *WITH_NAMES], ids=lambda each: each[0])
def test_missing_campaign_is_reported(folder: Path, pipeline: Pipeline, command: tuple[str, ...]) -> None:
    ended = pipeline(*command)

    assert ended.code == 64, ended.output
    assert "there is no campaign here; name a MANIFEST" in ended.err


@pytest.mark.parametrize("command", ["prune", "destroy"])
def test_deleting_commands_never_guess(
    bought: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    ended = pipeline(command, "--yes")

    assert ended.code == 64, ended.output
    assert "MANIFEST" in ended.err
    assert len(vendor.store.workflows()) == 2


@pytest.mark.parametrize("command", ["show", "approve", "reject", "redo", "rate", "resolve"])
def test_no_argument_is_wrong_usage(bought: Project, pipeline: Pipeline, command: str) -> None:
    for words in ((), ("campaign.yaml",)):
        ended = pipeline(command, *words, *(["--abandon"] if command == "resolve" else []))
        assert ended.code == 64, ended.output
        assert "missing KEY|PURCHASE" in ended.err


def test_first_argument_that_looks_like_a_manifest_is_one_even_if_missing(
    bought: Project, pipeline: Pipeline
) -> None:
    ended = pipeline("show", "gone.yaml", WALK)

    assert ended.code == 3, ended.output
    assert "gone.yaml" in ended.err


def test_existing_file_of_any_name_can_be_a_manifest(bought: Project, pipeline: Pipeline) -> None:
    (bought.folder / "campaign.yaml").rename(bought.folder / "campaign.manifest")

    assert pipeline("show", "campaign.manifest", WALK).code == 0
    assert pipeline("show", WALK).code == 64
    bought.write({"campaign.yaml": spring()})


def test_too_many_arguments_are_wrong_usage(bought: Project, pipeline: Pipeline) -> None:
    ended = pipeline("show", "campaign.yaml", WALK, WALK)

    assert ended.code == 64
    assert "expected one KEY|PURCHASE, not 2" in ended.err

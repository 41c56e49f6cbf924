"""MANIFEST may be left out where the working folder holds just one campaign; what deletes never guesses."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, chained, spring

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
ALONE = [
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
    """A campaign beside a base, prompts and other YAML that is none."""
    project.write({"base.yaml": {"version": 1, "vars": {}}, "notes.yml": "a: 1\n", "empty.yaml": ""})
    assert pipeline("run").code == 0
    return project


@pytest.mark.parametrize("command", [*ALONE, *WITH_NAMES], ids=lambda each: each[0])
def test_the_one_campaign_of_the_folder_is_meant(
    bought: Project, pipeline: Pipeline, command: tuple[str, ...]
) -> None:
    ended = pipeline(*command)

    assert ended.code == 0, ended.output


@pytest.mark.parametrize("command", [*ALONE, *WITH_NAMES], ids=lambda each: each[0])
def test_of_several_one_has_to_be_named(
    bought: Project, pipeline: Pipeline, command: tuple[str, ...]
) -> None:
    bought.write({"stages.yaml": chained()})

    ended = pipeline(*command)

    assert ended.code == 64, ended.output
    assert "several campaigns are here; name one: campaign.yaml, stages.yaml" in ended.err


@pytest.mark.parametrize("command", [*ALONE, *WITH_NAMES], ids=lambda each: each[0])
def test_where_there_is_none_that_is_said(folder: Path, pipeline: Pipeline, command: tuple[str, ...]) -> None:
    ended = pipeline(*command)

    assert ended.code == 64, ended.output
    assert "there is no campaign here; name a MANIFEST" in ended.err


@pytest.mark.parametrize("command", ["prune", "destroy"])
def test_what_deletes_never_guesses(
    bought: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    ended = pipeline(command, "--yes")

    assert ended.code == 64, ended.output
    assert "MANIFEST" in ended.err
    assert len(vendor.store.workflows()) == 2


@pytest.mark.parametrize("command", ["show", "approve", "reject", "redo", "rate", "resolve"])
def test_nothing_named_is_wrong_usage(bought: Project, pipeline: Pipeline, command: str) -> None:
    for words in ((), ("campaign.yaml",)):
        ended = pipeline(command, *words, *(["--abandon"] if command == "resolve" else []))
        assert ended.code == 64, ended.output
        assert "missing KEY|PURCHASE" in ended.err


def test_a_first_word_that_ends_as_a_manifest_is_one_though_it_is_not_there(
    bought: Project, pipeline: Pipeline
) -> None:
    ended = pipeline("show", "gone.yaml", WALK)

    assert ended.code == 3, ended.output
    assert "gone.yaml" in ended.err


def test_a_manifest_may_have_any_name_where_it_is_a_file(bought: Project, pipeline: Pipeline) -> None:
    (bought.folder / "campaign.yaml").rename(bought.folder / "campaign.manifest")

    assert pipeline("show", "campaign.manifest", WALK).code == 0
    assert pipeline("show", WALK).code == 64
    bought.write({"campaign.yaml": spring()})


def test_too_many_names_for_a_command_that_takes_one(bought: Project, pipeline: Pipeline) -> None:
    ended = pipeline("show", "campaign.yaml", WALK, WALK)

    assert ended.code == 64
    assert "expected one KEY|PURCHASE, not 2" in ended.err

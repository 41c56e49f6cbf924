"""Records whose paths would collide: `plan` and `run` refuse them before anything is bought."""

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

from pipeline.emulator.embedded import Emulator


@pytest.mark.parametrize("command", ["plan", "run", "results"])
@pytest.mark.parametrize(
    "flags",
    [
        "--state same --results same",
        "--results same --output same",
        "--results same --output same/films",
        "--state same/spring.db --results same",
        "--state campaign.yaml",
        "--results campaign.yaml",
        "--output campaign.yaml",
    ],
)
def test_records_at_the_same_path_are_wrong_usage(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str, flags: str
) -> None:
    before = project.tree()

    ended = pipeline(command, project.manifest, *flags.split())

    assert ended.code == 64, ended.output
    assert "cannot both lie at" in ended.err
    assert project.tree() == before
    assert len(vendor.ledger.entries) == 0


@pytest.mark.parametrize(
    "output", ["spring.results.json", "spring.results.json/films", "spring.decisions.yaml"]
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_output_folder_at_a_record_makes_the_manifest_invalid(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str, output: str
) -> None:
    project.write({"campaign.yaml": spring(output={"dir": output})})

    ended = pipeline(command, project.manifest)

    assert ended.code == 3, ended.output
    assert "the output folder cannot both lie at" in ended.err
    assert len(vendor.ledger.entries) == 0


def test_records_may_be_in_the_output_folder(project: Project, pipeline: Pipeline) -> None:
    flags = ("--output", "made", "--results", "made/r.json", "--state", "made/s.db")

    assert pipeline("run", project.manifest, *flags).code == 0
    assert pipeline("verify", project.manifest, *flags, "--files").code == 0

"""Output folders whose path is not UTF-8, which no results can name: refused before anything is bought."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign

from pipeline.emulator.embedded import Emulator

NOT_UTF8 = "a\udcffb"


def creates(vendor: Emulator) -> int:
    """How many creates have reached the vendor."""
    return len(vendor.ledger.entries)


@pytest.mark.parametrize("command", ["run", "plan", "collect", "results"])
@pytest.mark.parametrize("by_variable", [False, True])
def test_an_output_folder_that_the_results_cannot_name_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str, by_variable: bool
) -> None:
    output = str(project.folder / NOT_UTF8)
    if by_variable:
        pipeline.set("PIPELINE_OUTPUT", output)

    ended = pipeline(command, project.manifest, *(() if by_variable else ("--output", output)))

    assert ended.code == 64, ended.said
    assert "a\\udcffb: not UTF-8" in ended.err
    assert creates(vendor) == 0
    assert not Path(output).exists()


def test_so_is_one_in_a_working_folder_that_is_not_utf8_unless_the_results_name_it_without_that(
    folder: Path, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = campaign(folder / "campaigns")
    (folder / NOT_UTF8).mkdir()
    monkeypatch.chdir(folder / NOT_UTF8)

    ended = pipeline("run", "../campaigns/campaign.yaml", "--output", "films")
    assert ended.code == 64, ended.said
    assert "../a\\udcffb/films: not UTF-8" in ended.err
    assert creates(vendor) == 0

    assert pipeline("run", "../campaigns/campaign.yaml", "--output", "../films").code == 0
    assert '"../films/' in project.results_file.read_text("utf-8")
    assert creates(vendor) == 2

"""Names that are not UTF-8, which no record can hold, and those that a locale cannot read: refused before buying."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.processes import Running

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

    assert ended.code == 64, ended.output
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
    assert ended.code == 64, ended.output
    assert "../a\\udcffb/films: not UTF-8" in ended.err
    assert creates(vendor) == 0

    assert pipeline("run", "../campaigns/campaign.yaml", "--output", "../films").code == 0
    assert '"../films/' in project.results_file.read_text("utf-8")
    assert creates(vendor) == 2


IN_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONWARNINGS": "default"}
SOUND = "na\u00efve-\U0001f44d"


@pytest.mark.parametrize("images", [[f"images/{SOUND}.png"], {"glob": "images/*.png"}])
@pytest.mark.parametrize("command", ["plan", "run"])
def test_of_a_sound_name_that_the_locale_cannot_read_the_locale_is_blamed(
    folder: Path, vendor: Emulator, start: Callable[..., Running], images: object, command: str
) -> None:
    campaign(
        folder,
        {"campaign.yaml": spring(image_sets={"shoes": images}), f"images/{SOUND}.png": picture()},
    )

    ended = start(command, "campaign.yaml", **IN_ASCII).ended()

    assert ended.code == 3, ended.output
    assert (
        "needs UTF-8, and this locale has ascii; set one that has UTF-8 (LC_ALL=C.UTF-8), or PYTHONUTF8=1"
        in ended.err
    )
    assert "rename" not in ended.output
    assert "codec" not in ended.output
    assert creates(vendor) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("plan", f"{SOUND}.yaml"), 3), (("run", "campaign.yaml", "--output", SOUND), 64)],
)
def test_so_it_is_of_a_path_on_the_command_line(
    project: Project,
    vendor: Emulator,
    start: Callable[..., Running],
    arguments: tuple[str, ...],
    code: int,
) -> None:
    project.manifest.with_name(f"{SOUND}.yaml").write_bytes(project.manifest.read_bytes())

    ended = start(*arguments, **IN_ASCII).ended()

    assert ended.code == code, ended.output
    assert "this locale has ascii" in ended.err
    assert creates(vendor) == 0


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
@pytest.mark.parametrize(
    "changed",
    [
        {"prompts": {SOUND: "a walk", f"{SOUND}-2": "a dance"}},
        {"output": {"path": f"{SOUND}/{{{{ job.key }}}}.{{{{ ext }}}}"}},
        {"output": {"dir": f"output/{SOUND}"}},
    ],
    ids=["key", "path", "folder"],
)
def test_a_job_whose_file_could_not_be_stored_under_this_locale_is_refused_before_it_is_bought(
    folder: Path, vendor: Emulator, start: Callable[..., Running], changed: dict[str, Any], command: str
) -> None:
    campaign(folder, {"campaign.yaml": spring(**changed)})

    ended = start(command, "campaign.yaml", **IN_ASCII).ended()

    assert ended.code == 3, ended.output
    assert ended.output.count("this locale has ascii") == 1, ended.output
    assert "set one that has UTF-8 (LC_ALL=C.UTF-8), or PYTHONUTF8=1" in ended.output
    assert creates(vendor) == 0

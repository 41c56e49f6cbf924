"""Names that are not UTF-8, or that the locale cannot decode, are refused before buying."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.processes import Running
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.results.decisions import read as read_decisions

NOT_UTF8 = "a\udcffb"


def creates(vendor: Emulator) -> int:
    """The number of creates that reached the vendor."""
    return len(vendor.ledger.entries)


@pytest.mark.parametrize("command", ["run", "plan", "collect", "results"])
@pytest.mark.parametrize("by_variable", [False, True])
def test_non_utf8_output_folder_is_refused(
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


def test_output_folder_below_a_non_utf8_working_folder_is_refused_unless_named_relatively(
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
def test_locale_is_blamed_for_a_valid_name_it_cannot_decode(
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
def test_locale_is_blamed_for_a_path_on_the_command_line(
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
def test_job_whose_file_name_the_locale_cannot_encode_is_refused_before_buying(
    folder: Path, vendor: Emulator, start: Callable[..., Running], changed: dict[str, Any], command: str
) -> None:
    campaign(folder, {"campaign.yaml": spring(**changed)})

    ended = start(command, "campaign.yaml", **IN_ASCII).ended()

    assert ended.code == 3, ended.output
    assert ended.output.count("this locale has ascii") == 1, ended.output
    assert "set one that has UTF-8 (LC_ALL=C.UTF-8), or PYTHONUTF8=1" in ended.output
    assert creates(vendor) == 0


@pytest.mark.parametrize("name", [f"main/loop/red/{SOUND}", f"image:red,prompt:{SOUND}"])
def test_name_on_the_command_line_matches_the_manifest_in_any_locale(
    folder: Path, pipeline: Pipeline, start: Callable[..., Running], name: str
) -> None:
    project = campaign(
        folder,
        {"campaign.yaml": spring(prompts={SOUND: "a walk"}, output={"path": "{{ image.id }}.{{ ext }}"})},
    )
    assert pipeline("run", project.manifest).code == 0

    ended = start("approve", name, "--as", SOUND, "--note", SOUND, **IN_ASCII).ended()

    assert ended.code == 0, ended.output
    assert ": approved: it stays" in ended.out
    [decision] = read_decisions(project.folder / "spring.decisions.yaml", "")
    assert (decision.key, decision.by, decision.note) == (f"main/loop/red/{SOUND}", SOUND, SOUND)
    shown = start("status", "--select", f"prompt:{SOUND}", **IN_ASCII).ended()
    assert (shown.code, shown.err) == (0, "")
    gone = start("show", f"main/loop/red/{SOUND}x", **IN_ASCII).ended()
    assert "no job or purchase 'main/loop/red/na\\xefve-" in gone.err


NOT_ASCII = "\u0153il"
STORED = f"output/spring/main/loop/{NOT_ASCII}/walk.mp4"


def bought(folder: Path, pipeline: Pipeline) -> Project:
    """A campaign of two images, both bought under UTF-8; the locale in `IN_ASCII` can encode one of the names."""
    project = campaign(
        folder,
        {
            "campaign.yaml": spring(
                image_sets={"shoes": {"glob": "images/*.png"}}, prompts={"walk": "a walk"}
            ),
            f"images/{NOT_ASCII}.png": picture("blue"),
        },
    )
    assert pipeline("run", project.manifest).code == 0
    return project


def without_the_unnamed(project: Project) -> None:
    """Remove the image that the locale cannot encode from the manifest; its purchase stays recorded."""
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk"})})


def assert_named(output: str) -> None:
    assert NOT_ASCII in output.replace("\\u0153", "\u0153")
    assert "this locale has ascii" in output
    assert "set one that has UTF-8 (LC_ALL=C.UTF-8), or PYTHONUTF8=1" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("source", ["campaign.yaml", ".pipeline/spring.db", "spring.results.json"])
def test_collect_fetches_what_the_locale_can_encode_and_names_the_rest(
    folder: Path, pipeline: Pipeline, start: Callable[..., Running], source: str
) -> None:
    project = bought(folder, pipeline)
    files = project.output()
    shutil.rmtree(folder / "output")

    ended = start("collect", source, **IN_ASCII).ended()

    assert ended.code == 8, ended.output
    assert_named(ended.output)
    assert set(project.output()) == {"main/loop/red/walk.mp4"}
    assert pipeline("collect", source).code == 0
    assert project.output() == files


@pytest.mark.parametrize("command", ["run", "collect", "plan", "status", "show", "verify"])
def test_orphan_with_an_unencodable_file_stops_no_command(
    folder: Path, pipeline: Pipeline, vendor: Emulator, start: Callable[..., Running], command: str
) -> None:
    project = bought(folder, pipeline)
    without_the_unnamed(project)
    files = project.output()
    what = (project.manifest, "main/loop/red/walk") if command == "show" else (project.manifest,)
    assert pipeline("results", project.manifest).code == 0

    ended = start(command, *what, **IN_ASCII).ended()

    assert ended.code in {0, 8}, ended.output
    assert "Traceback" not in ended.output
    assert creates(vendor) == 2
    assert project.output() == files


@fails_without(
    "pipeline.artifacts.output_folder:OutputFolder._possible_paths", "self._files.assert_nameable("
)
@pytest.mark.parametrize("command", ["destroy", "prune"])
def test_file_that_the_locale_cannot_encode_is_not_counted_as_deleted(
    folder: Path, pipeline: Pipeline, start: Callable[..., Running], command: str
) -> None:
    project = bought(folder, pipeline)
    without_the_unnamed(project)

    ended = start(command, project.manifest, "--yes", **IN_ASCII).ended()

    assert ended.code == 8, ended.output
    assert_named(ended.output)
    assert (folder / STORED).exists()
    assert (folder / "output/spring/main/loop/red/walk.mp4").exists() == (command != "destroy")
    again = pipeline(command, project.manifest, "--yes")
    assert again.code == 0, again.output
    assert not (folder / STORED).exists()


@pytest.mark.parametrize("source", ["campaign.yaml", "spring.results.json"])
def test_report_shows_what_the_locale_can_encode_and_names_the_rest(
    folder: Path, pipeline: Pipeline, start: Callable[..., Running], source: str
) -> None:
    bought(folder, pipeline)

    ended = start("report", source, "--bundle", "--out", "page", **IN_ASCII).ended()

    assert ended.code == 8, ended.output
    assert_named(ended.output)
    media = folder / "page" / "media"
    assert [each.relative_to(media).as_posix() for each in media.rglob("*.mp4")] == [
        "spring/main/loop/red/walk.mp4"
    ]

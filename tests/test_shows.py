"""The example campaigns are valid, make the expected jobs, and run to their end."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project
from support.checks import assert_nothing_bought_twice, assert_whole
from support.fixtures import folder, pipeline

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load

__all__ = ["folder", "pipeline"]

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "shows"

# Templates that the vendor documents individually; others come and go.
DOCUMENTED = {
    "overlay_gray_5443",
    "overlay_gray_5442",
    "overlay_only_1025",
    "vim_new_year_2026",
    "vim_dancing_santa",
    "vim_birthday",
    "vim_ces_show",
    "vim_amazonia",
    "vim_arctic",
    "vim_sketch_me",
    "vim_product_showcase",
    "vim_instagramframeescape_0226",
    "vim_dreamcareer_0226",
    "each_explodedloop_0226",
    "each_ugcproduct_0226",
}


@dataclass(frozen=True, slots=True)
class Show:
    """An example campaign, by its path in the repository."""

    path: Path

    @property
    def name(self) -> str:
        return load(ROOT / self.path).name

    @property
    def keys(self) -> list[str]:
        """The expected jobs in order."""
        return (GOLDEN / f"{self.name}.txt").read_text("utf-8").splitlines()

    def __str__(self) -> str:
        return self.path.as_posix()


def _shown() -> list[Show]:
    files = [*sorted((ROOT / "manifests").glob("*.yaml")), *sorted((ROOT / "examples").glob("*/*.yaml"))]
    named = [path for path in files if re.search(r"^name:", path.read_text("utf-8"), re.MULTILINE)]
    # The example of another vendor is shown with its own provider, and tested there.
    ours = [path for path in named if load(path).provider.name in {"vimmerse", "emulator"}]
    return [Show(path.relative_to(ROOT)) for path in ours]


SHOWS = _shown()


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One vendor for all of them."""
    with Emulator(EmulatorSettings.tiny(tmp_path_factory.mktemp("vendor"))) as running:
        yield running


@pytest.fixture
def manifest(show: Show, folder: Path) -> Path:
    """The campaign in a copy of its folder, as a user would have it."""
    ignored = shutil.ignore_patterns("output", ".pipeline", "*.results.json")
    shutil.copytree((ROOT / show.path).parent, folder, ignore=ignored, dirs_exist_ok=True)
    return folder / show.path.name


def test_every_golden_list_belongs_to_a_campaign() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {show.name for show in SHOWS}


def test_every_documented_template_is_shown() -> None:
    shown = {job.request.template_id for show in SHOWS for job in expand(load(ROOT / show.path))}

    assert shown == DOCUMENTED


@pytest.mark.parametrize("show", SHOWS, ids=str)
def test_first_line_names_the_schema_for_editors(show: Show) -> None:
    path = ROOT / show.path
    first = path.read_text("utf-8").splitlines()[0]

    _, marked, schema = first.partition("# yaml-language-server: $schema=")
    assert marked
    assert (path.parent / schema).resolve() == ROOT / "schemas" / "campaign.schema.json"


@pytest.mark.parametrize("show", SHOWS, ids=str)
def test_campaign_is_valid_without_warnings_and_makes_the_expected_jobs(
    show: Show, manifest: Path, pipeline: Pipeline
) -> None:
    validated = pipeline("validate", manifest)
    expanded = pipeline("expand", manifest, "--format", "json")

    assert validated.code == 0, validated.output
    assert "warning" not in validated.output
    assert [job["key"] for job in expanded.document["jobs"]] == show.keys


@pytest.mark.parametrize("show", SHOWS, ids=str)
def test_campaign_runs_as_planned_and_a_second_run_buys_nothing(
    show: Show, manifest: Path, folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = Project(folder, show.name)
    before = len(vendor.ledger.entries)
    planned = pipeline("plan", manifest, "--format", "json")
    assert {action["key"]: action["action"] for action in planned.document["actions"]} == dict.fromkeys(
        show.keys, "create"
    )

    ended = pipeline("run", manifest)

    assert ended.code == 0, ended.output
    assert project.statuses() == dict.fromkeys(show.keys, "done")
    assert len(vendor.ledger.bought) == len(vendor.ledger.entries) == before + len(show.keys)
    assert_whole(project)
    results = project.results_file.read_bytes()

    again = pipeline("run", manifest)

    assert again.code == 0, again.output
    assert len(vendor.ledger.entries) == before + len(show.keys)
    assert project.results_file.read_bytes() == results
    assert_nothing_bought_twice(vendor)

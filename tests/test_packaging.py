"""The published files: the sdist, the wheel built from it, and that wheel in an empty environment."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support.calling import is_foreign

from pipeline import __version__

ROOT = Path(__file__).parents[1]
_NOT_SOURCE = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "dist", "build")

# What a rehearsal leaves beside a campaign; none of it is source.
LEFT_BEHIND = [
    "examples/quickstart/.pipeline/quickstart.emulated.db",
    "examples/quickstart/output/quickstart/emulated/hero.mp4",
    "examples/quickstart/quickstart.emulated.results.json",
]


@dataclass(frozen=True, slots=True)
class Built:
    """The two archives, the sources that they were built from, and the unpacked sdist."""

    source: Path
    unpacked: Path
    sdist: Path
    wheel: Path

    @property
    def metadata(self) -> Message:
        """The metadata of the wheel."""
        return HeaderParser().parsestr(
            self.read(f"campaign_pipeline-{__version__}.dist-info/METADATA").decode()
        )

    def read(self, name: str) -> bytes:
        """A file in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(name)

    def names(self) -> set[str]:
        """The files in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def source_names(self) -> set[str]:
        """The files in the sdist, without its top folder."""
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}


def _hatchling(folder: Path, target: str, into: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    [archive] = into.iterdir()
    return archive


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built once, from a copy in which a rehearsal ran; the wheel from the content of the sdist, as pip does."""
    here = tmp_path_factory.mktemp("built")
    source = here / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_NOT_SOURCE), symlinks=True)
    for name in LEFT_BEHIND:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    sdist = _hatchling(source, "sdist", here / "sdist")
    with tarfile.open(sdist) as archive:
        # As pip unpacks it: a link that points out of it is refused, from Python 3.11.4 on.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(here / "unpacked")
    [unpacked] = (here / "unpacked").iterdir()
    return Built(source, unpacked, sdist, _hatchling(unpacked, "wheel", here / "wheel"))


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in its own environment, with its dependencies and nothing else."""

    folder: Path
    elsewhere: Path

    def __call__(self, *arguments: str | Path, program: str = "pipeline") -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
        own.pop("PYTHONPATH", None)
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.elsewhere,
            env=own,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


def _needed(requirements: list[str], seen: set[str]) -> Iterator[Distribution]:
    """The distributions that satisfy `requirements`, and their dependencies, without extras."""
    for each in map(Requirement, requirements):
        if each.name not in seen and (each.marker is None or each.marker.evaluate({"extra": ""})):
            seen.add(each.name)
            found = distribution(each.name)
            yield found
            yield from _needed(found.requires or [], seen)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Installed without network: dependencies come from the environment that runs the tests."""
    here = tmp_path_factory.mktemp("installed")
    venv.create(here / "env", symlinks=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", here / "env" / "bin" / "python"),
            *("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", built.wheel),
        ],
        check=True,
        capture_output=True,
    )
    lent = here / "lent"
    lent.mkdir()
    for needed in _needed(built.metadata.get_all("Requires-Dist", []), set()):
        for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
            (lent / top).symlink_to(str(needed.locate_file(top)))
    [packages] = (here / "env").glob("lib/*/site-packages")
    (packages / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")
    elsewhere = here / "elsewhere"
    shutil.copytree(built.unpacked / "examples" / "quickstart", elsewhere)
    return Installed(here / "env", elsewhere)


def test_wheel_contains_the_package_its_data_and_nothing_else(built: Built) -> None:
    package = {
        path.relative_to(built.source).as_posix()
        for path in (built.source / "pipeline").rglob("*")
        if path.is_file()
    }
    schemas = {f"pipeline/schemas/{path.name}" for path in (built.source / "schemas").glob("*.json")}
    assert {"pipeline/py.typed", "pipeline/manifest/catalog.yaml"} <= package
    assert schemas

    inside = {name for name in built.names() if ".dist-info/" not in name}

    assert inside == package | schemas | {f"pipeline/docs/{page}" for page in _pages(built.source)}


def _pages(source: Path) -> set[str]:
    """The pages of the documentation, relative to its folder."""
    return {
        path.relative_to(source / "docs").as_posix()
        for folder in ("how-to", "reference", "explanation")
        for path in (source / "docs" / folder).glob("*.md")
    }


def test_help_of_the_installed_command_says_where_the_pages_are_that_messages_name(
    installed: Installed, built: Built
) -> None:
    told = installed("--help").stdout

    [folder] = re.findall(r"^ *`(/.*)`$", told, re.MULTILINE)
    assert Path(folder).is_relative_to(installed.folder)
    named = {
        page
        for file in (built.source / "pipeline").rglob("*.py")
        for page in re.findall(r"docs/([\w/-]+\.md)", file.read_text("utf-8"))
    }
    assert len(named) > 3
    for page in named:
        assert (Path(folder) / page).read_bytes() == (built.source / "docs" / page).read_bytes()


def test_schemas_in_the_wheel_are_those_of_the_repository(built: Built) -> None:
    for path in (built.source / "schemas").glob("*.json"):
        assert built.read(f"pipeline/schemas/{path.name}") == path.read_bytes()


def test_wheel_metadata_is_correct(built: Built) -> None:
    metadata = built.metadata

    assert (metadata["Name"], metadata["Version"]) == ("campaign-pipeline", __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"emulator", "all"} <= set(metadata.get_all("Provides-Extra", []))
    assert metadata.get_payload() == (built.source / "README.md").read_text("utf-8")
    entry_points = built.read(f"campaign_pipeline-{__version__}.dist-info/entry_points.txt").decode()
    assert entry_points.split() == ["[console_scripts]", "pipeline", "=", "pipeline.cli.start:main"]
    assert f"campaign_pipeline-{__version__}.dist-info/licenses/LICENSE" in built.names()


def test_sdist_contains_what_is_needed_to_build_and_read_it(built: Built) -> None:
    needed = {
        *("README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml"),
        *("schemas/campaign.schema.json", "docs/README.md", "manifests/base.yaml"),
        *("examples/quickstart/campaign.yaml", "examples/quickstart/images/red.png"),
    }

    assert needed <= built.source_names()


def test_archives_contain_nothing_left_by_a_rehearsal(built: Built) -> None:
    assert set(LEFT_BEHIND) & (built.source_names() | built.names()) == set()


def test_installed_command_comes_from_the_wheel(installed: Installed) -> None:
    told = installed("-c", "import pipeline; print(pipeline.__file__)", program="python")

    assert Path(told.stdout.strip()).is_relative_to(installed.folder)
    assert installed("--version").stdout.split()[-1] == __version__


def test_installed_command_finds_its_schemas(installed: Installed, built: Built) -> None:
    ended = installed("schema", "campaign")

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == json.loads(
        (built.source / "schemas/campaign.schema.json").read_bytes()
    )


@pytest.mark.parametrize("command", ["validate", "expand", "plan"])
def test_installed_command_reads_a_campaign_without_extras(installed: Installed, command: str) -> None:
    ended = installed(command, "campaign.yaml")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    # The catalogue was installed too: it knows the inputs of this template.
    assert "warning" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "arguments", [("run", "campaign.yaml", "--emulate", "--yes"), ("emulator",)], ids=" ".join
)
def test_emulator_names_its_missing_extra_and_leaves_no_trace(
    installed: Installed, arguments: tuple[str, ...]
) -> None:
    before = sorted(installed.elsewhere.rglob("*"))

    ended = installed(*arguments)

    assert ended.returncode == 64, ended.stdout + ended.stderr
    assert "pip install 'campaign-pipeline[emulator]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert sorted(installed.elsewhere.rglob("*")) == before

"""A tag is released only if version, changelog and installation instructions agree."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_locks import pins

from ci.hosting import ROOT
from pipeline import __version__

_INSTALLS = re.compile(r"pip install '?campaign-pipeline|campaign-pipeline(?:@v|:)\d|(?:rev|ref|REF): v\d")


def telling_what_to_install() -> list[str]:
    """The pages, examples and starters that name a version to install, or none."""
    folders = (ROOT / name for name in ("docs", "examples", "pipeline/cli/starter"))
    files = [path for folder in folders for path in folder.rglob("*")]
    texts = [path for path in files if path.suffix in {".md", ".yml", ".yaml"} or path.name == "Dockerfile"]
    return sorted(
        path.relative_to(ROOT).as_posix() for path in texts if _INSTALLS.search(path.read_text("utf-8"))
    )


TELLING = telling_what_to_install()
NEEDED = ["pyproject.toml", "CHANGELOG.md", *TELLING]
TAG = f"v{__version__}"


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    """A checkout with a changelog section for the version."""
    for name in [*NEEDED, "ci/release.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    log = tmp_path / "CHANGELOG.md"
    log.write_text(
        log.read_text("utf-8").replace("## [Unreleased]", f"## [{__version__}] - 2026-03-01"), "utf-8"
    )
    return tmp_path


def check(commit: Path, tag: str = TAG) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, commit / "ci" / "release.py", tag],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_consistent_commit_is_released_with_its_changelog_section(commit: Path) -> None:
    ended = check(commit)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("### Added")
    assert "## [" not in ended.stdout


@pytest.mark.parametrize("tag", ["v9.9.9", __version__, "latest"])
def test_tag_that_differs_from_the_version_is_refused(commit: Path, tag: str) -> None:
    ended = check(commit, tag)

    assert ended.returncode == 1
    assert f"expected the tag {TAG}" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("## [Unreleased]", "there is no section"),
        (f"## [{__version__}]", "has no date"),
        (f"## [{__version__}] - soon", "has no date"),
        (f"## [{__version__}] - 2026-03-01\n\n## [0.0.1] - 2026-02-01", "says nothing"),
    ],
)
def test_changelog_without_the_version_is_refused(commit: Path, heading: str, said: str) -> None:
    log = commit / "CHANGELOG.md"
    log.write_text(log.read_text("utf-8").replace(f"## [{__version__}] - 2026-03-01", heading), "utf-8")

    ended = check(commit)

    assert ended.returncode == 1
    assert said in ended.stderr


@pytest.mark.parametrize("name", TELLING)
def test_page_that_installs_another_version_is_refused(commit: Path, name: str) -> None:
    page = commit / name
    page.write_text(page.read_text("utf-8").replace(__version__, "0.0.9"), "utf-8")

    ended = check(commit)

    assert ended.returncode == 1
    assert f"{name}: names 0.0.9, expected {__version__}" in ended.stderr


def test_sbom_is_reproducible(tmp_path: Path) -> None:
    for name in ("one", "other"):
        subprocess.run(
            [ROOT / "ci" / "sbom.sh", tmp_path / name],
            env={**os.environ, "CAMPAIGN_PYTHON": sys.executable},
            check=True,
            capture_output=True,
        )

    document = json.loads((tmp_path / "one").read_bytes())

    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "campaign-pipeline"
    assert {each["name"].lower() for each in document["components"]} == set(pins("image.txt"))


def test_release_is_checked_built_and_tested_before_publishing() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    scripts = [step.get("run", "") for step in jobs["build"]["steps"]]

    order = ["ci/release.py", "ci/build.sh", 'pipeline" plan', "ci/sbom.sh"]
    found = [next(index for index, script in enumerate(scripts) if each in script) for each in order]
    assert found == sorted(found)
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write", "attestations": "write"}
    assert not [step for step in jobs["publish"]["steps"] if "run" in step]
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda path: path.name
)
def test_each_action_is_pinned_by_its_hash(path: Path) -> None:
    used = re.findall(r"uses: (\S+)( # v\d+\.\d+\.\d+)?$", path.read_text("utf-8"), re.MULTILINE)

    assert used
    for action, version in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert version, action

"""Reading commands work on Windows too: they need no module or call that exists only elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.calling import Ended, Pipeline, is_foreign
from support.campaigns import Project

ROOT = Path(__file__).parents[2]


def on_windows(*arguments: str | Path) -> Ended:
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    done = subprocess.run(
        [sys.executable, "-m", "support.windows", *arguments],
        env={**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_every_module_can_be_imported() -> None:
    ended = on_windows()

    assert ended.code == 0, ended.output


@pytest.mark.parametrize("command", ["validate", "expand", "plan", "status"])
def test_reading_command_prints_the_same_as_elsewhere(
    project: Project, pipeline: Pipeline, command: str
) -> None:
    pipeline("run", project.manifest)
    before, elsewhere = project.tree(), pipeline(command, project.manifest, "--format", "json")

    ended = on_windows(command, project.manifest, "--format", "json")

    assert (ended.code, ended.document, ended.err) == (elsewhere.code, elsewhere.document, elsewhere.err)
    assert project.tree() == before


def test_report_is_written(project: Project, pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline("run", project.manifest)

    ended = on_windows("report", project.manifest, "--out", tmp_path / "page")

    assert ended.code == 0, ended.output
    assert (tmp_path / "page" / "index.html").is_file()


def test_campaign_is_initialised(folder: Path) -> None:
    ended = on_windows("init", folder / "new")

    assert ended.code == 0, ended.output
    assert on_windows("validate", folder / "new" / "campaign.yaml").code == 0


def test_command_that_needs_the_state_lock_names_supported_systems_and_buys_nothing(project: Project) -> None:
    ended = on_windows("run", project.manifest, "--emulate", "--yes")

    assert ended.code == 3, ended.output
    assert "use Linux, macOS or WSL" in ended.err
    assert "Traceback" not in ended.output
    assert not project.results_file.exists()

"""The working folder was deleted: absolute paths work, and nothing else does."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project
from support.processes import PROGRAM, environment

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
COMMANDS = [
    ("validate",),
    ("expand",),
    ("plan",),
    ("run",),
    ("collect",),
    ("status",),
    ("show", WALK),
    ("verify", "--files"),
    ("results",),
    ("approve", WALK),
    ("rate", WALK, "--rating", "5"),
    ("prune", "--yes"),
    ("state", "export"),
    ("destroy", "--yes"),
]

InGoneFolder = Callable[..., Ended]


@pytest.fixture
def in_gone_folder(tmp_path: Path, vendor: Emulator) -> InGoneFolder:
    """Runs a command in a folder that no longer exists."""

    def call(*arguments: str | Path) -> Ended:
        gone = tmp_path / "gone"
        gone.mkdir()
        leave_and_run = 'cd "$0" && rmdir "$0" && exec "$@"'
        ended = subprocess.run(
            ["/bin/sh", "-c", leave_and_run, gone, *PROGRAM, *map(str, arguments)],
            env=environment(vendor.url),
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return call


def arguments_of(command: tuple[str, ...], manifest: Path | str) -> tuple[str | Path, ...]:
    words = 2 if command[0] == "state" else 1
    return (*command[:words], manifest, *command[words:])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: " ".join(each))
def test_absolute_path_is_found(
    project: Project, pipeline: Pipeline, in_gone_folder: InGoneFolder, command: tuple[str, ...]
) -> None:
    assert pipeline("run", project.manifest).code == 0

    ended = in_gone_folder(*arguments_of(command, project.manifest))

    assert ended.code == 0, ended.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: " ".join(each))
def test_relative_path_is_reported_as_missing(in_gone_folder: InGoneFolder, command: tuple[str, ...]) -> None:
    ended = in_gone_folder(*arguments_of(command, "campaign.yaml"))

    assert ended.code in {3, 64}, ended.output
    assert "Traceback" not in ended.err
    assert "campaign.yaml" in ended.err


def test_results_are_shown_with_their_absolute_path(
    project: Project, pipeline: Pipeline, in_gone_folder: InGoneFolder
) -> None:
    ended = in_gone_folder("run", project.manifest)

    assert ended.code == 0, ended.output
    assert str(project.results_file) in ended.out

"""Records with names too long for the system: `plan` and `run` refuse them before anything is bought."""

import os
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project

from pipeline.emulator.embedded import Emulator
from pipeline.paths import is_too_long
from pipeline.state.rescue import rescue_path

LONG = "n" * 300


@pytest.mark.parametrize("command", ["plan", "run", "collect", "status", "verify", "results"])
@pytest.mark.parametrize("flag", ["--state", "--results", "--output"])
def test_every_command_refuses_an_overlong_name(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str, flag: str
) -> None:
    before = project.tree()

    for path in (LONG, f"missing/{LONG}", f"{LONG}/x"):
        ended = pipeline(command, project.manifest, flag, path)
        assert ended.code == 64, ended.output
        assert f"nnn…: too long a path; choose a shorter one with {flag}" in ended.err

    assert project.tree() == before
    assert len(vendor.ledger.entries) == 0


@pytest.mark.parametrize("flags", [(), ("--shard", "1/1")])
def test_longest_state_name_leaves_room_for_its_side_files(
    project: Project, pipeline: Pipeline, flags: tuple[str, ...]
) -> None:
    room = os.pathconf(project.folder, "PC_NAME_MAX") - len(rescue_path(Path("n")).name) + 1
    part = len(".1-of-1") if flags else 0

    refused = pipeline(
        "plan" if not flags else "run", project.manifest, "--state", "n" * (room - part + 1), *flags
    )
    assert refused.code == 64, refused.output
    ended = pipeline("run", project.manifest, "--state", "n" * (room - part), *flags)
    assert ended.code == 0, ended.output


def test_state_path_is_limited_to_what_sqlite_can_open(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    left = 500 - len(os.fsencode(project.folder / "x")) + 1
    deepest = "d/" * ((left - 1) // 2) + "n" * (2 - left % 2)

    for command in ("plan", "run"):
        refused = pipeline(command, project.manifest, "--state", f"{deepest}n")
        assert refused.code == 64, refused.output
        assert "too long a path" in refused.err
    assert len(vendor.ledger.entries) == 0
    assert pipeline("run", project.manifest, "--state", deepest).code == 0


def test_relative_path_is_checked_by_its_names_if_the_working_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    assert not is_too_long(Path("a/b"))

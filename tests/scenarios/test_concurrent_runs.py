"""One run at a time per state: the second names the holder and buys nothing."""

import os
import re
import shutil
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from support.calling import Pipeline
from support.campaigns import Project
from support.checks import assert_nothing_forgotten, assert_valid
from support.processes import Running

from pipeline.emulator.embedded import Emulator

Start = Callable[..., Running]


@pytest.fixture
def first(project: Project, start: Start, vendor: Emulator) -> Running:
    """A run that has bought and waits."""
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    run = start("run", project.manifest, TZ="EAST-14")
    run.hear("bought as")
    run.hear("bought as")
    return run


def test_second_run_names_the_holder_of_the_state_and_buys_nothing(
    first: Running, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    second = pipeline("run", project.manifest)

    assert second.code == 6, second.output
    found = re.search(rf"pid {first.process.pid} on {socket.gethostname()} since (20\S+Z)", second.err)
    assert found is not None, second.err
    # In UTC, whatever the machine's time zone.
    assert datetime.fromisoformat(found[1]) <= datetime.now(UTC)
    assert f"pipeline run {project.manifest}" in second.err
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize("command", ["plan", "status"])
def test_readers_are_not_blocked(first: Running, project: Project, pipeline: Pipeline, command: str) -> None:
    ended = pipeline(command, project.manifest)

    assert ended.code == 0, ended.output
    assert "submitted" in ended.out or "resume" in ended.out


def test_lock_of_a_dead_run_is_free(
    first: Running, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    first.kill()
    vendor.clear_faults()

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2


def test_stopped_run_still_holds_the_lock(
    first: Running, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    os.kill(first.process.pid, signal.SIGSTOP)

    assert pipeline("run", project.manifest).code == 6
    os.kill(first.process.pid, signal.SIGCONT)


def test_results_from_another_machine_during_a_run_are_not_lost(
    first: Running, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    theirs = project.folder / "theirs.json"
    elsewhere = ("--state", project.folder / "theirs.db", "--results", theirs)
    assert pipeline("run", project.manifest, "--no-wait", *elsewhere).code == 0
    shutil.copy(theirs, project.results_file)
    vendor.clear_faults()

    ended = first.ended()

    assert ended.code == 0, ended.output
    assert len(project.results()["purchases"]) == 4
    assert_nothing_forgotten(project, vendor)
    assert_valid(project.results(), "results")
    assert pipeline("run", project.manifest).code == 0
    assert {purchase["status"] for purchase in project.results()["purchases"]} == {"done"}
    assert len(vendor.ledger.entries) == 4


def test_results_with_a_merge_conflict_during_a_run_are_left_alone(
    first: Running, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    conflict = b"<<<<<<< ours\n"
    project.results_file.write_bytes(conflict)
    vendor.clear_faults()

    ended = first.ended()

    assert ended.code == 3, ended.output
    assert "a git merge conflict" in ended.output
    assert project.results_file.read_bytes() == conflict
    project.results_file.unlink()
    assert pipeline("results", project.manifest).code == 0
    assert_nothing_forgotten(project, vendor)
    assert set(project.statuses().values()) == {"done"}

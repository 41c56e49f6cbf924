"""Runs that are killed or stopped at random moments; a failure names the seed that repeats it.

`make soak` plays many more of these.
"""

from itertools import count
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project
from support.chance import Chance, seed_of_tests, vendor_in
from support.checks import assert_nothing_forgotten
from support.fork_server import ForkServer, each

from pipeline.emulator.embedded import Emulator

SEED = seed_of_tests()
STRIKES = 25
AT_ONCE = 4


@pytest.mark.parametrize("kind", ["kill", "term"])
def test_interrupted_runs_buy_nothing_twice_and_lose_nothing_paid(
    tmp_path: Path, fork_server: ForkServer, kind: str
) -> None:
    numbers = count()
    struck: list[int] = []
    with vendor_in(tmp_path / "vendor") as vendor:

        def play(chance: Chance) -> list[int]:
            return chance.play(tmp_path, vendor, fork_server)

        # A SIGTERM before the command has its handler is its death; at least one causes an orderly stop.
        while len(struck) < STRIKES or (kind == "term" and 143 not in struck):
            chances = [Chance(kind, SEED, next(numbers)) for _ in range(AT_ONCE)]
            struck += [code for codes in each(play, chances, AT_ONCE) for code in codes]


def test_temporary_vendor_faults_end_in_a_correct_state(tmp_path: Path, fork_server: ForkServer) -> None:
    def play(chance: Chance) -> list[int]:
        with vendor_in(tmp_path / f"vendor-{chance.number}") as vendor:
            return chance.play(tmp_path, vendor, fork_server)

    # Each history checks its own end.
    each(play, [Chance("faults", SEED, number) for number in range(2 * AT_ONCE)], AT_ONCE)


def test_workflow_of_another_purchase_is_an_unknown_outcome(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 2, "do": "same-id"})

    first = pipeline("run", project.manifest, "--concurrency", "1")
    second = pipeline("run", project.manifest)

    assert (first.code, second.code) == (7, 7), first.output + second.output
    assert "which belongs to another purchase" in first.err
    assert sorted(project.statuses().values()) == ["attention", "done"]
    assert len(vendor.ledger.entries) == 2
    assert_nothing_forgotten(project, vendor)


def test_workflow_of_a_purchase_without_an_id_is_not_assigned_to_another(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail(
        {"on": "create", "nth": 1, "do": "garbage"},
        {"on": "create", "nth": 2, "do": "same-id"},
    )

    first = pipeline("run", project.manifest, "--concurrency", "1")
    second = pipeline("run", project.manifest)

    assert (first.code, second.code) == (7, 7), first.output + second.output
    assert "whose title names purchase" in first.err
    assert list(project.statuses().values()) == ["attention", "attention"]
    assert len(vendor.ledger.entries) == 2
    assert_nothing_forgotten(project, vendor)

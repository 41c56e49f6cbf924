"""A run that crashes at a given moment of one create or of its preparation, and what the next one does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.checks import assert_nothing_forgotten, assert_whole
from support.fork_server import ForkServer
from support.processes import PATIENCE, Running, environment, until
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

WALK = "main/loop/red/walk"
# Larger than what the kernel buffers of an unread body.
LARGE = picture() + bytes(16_000_000)

# The command, which dies at a failpoint or in a replaced function.
DIES = """
import os, signal, sys
import pipeline.operations.open_campaign
from pipeline import failpoints
from pipeline.cli.main import main

where = sys.argv.pop(1)


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


if where == "expanding":
    pipeline.operations.open_campaign.expand = die
failpoints.arm(lambda name: die() if name == where else None)
main()
"""


def dies(where: str, project: Project, vendor: Emulator) -> Ended:
    """A run that is killed there."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, where, "run", str(project.manifest)],
        cwd=project.folder,
        env={**environment(vendor.url), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def one(folder: Path) -> Project:
    """A campaign of one job."""
    return campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})


def test_crash_during_expansion_creates_no_state(one: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    before = one.tree()

    assert dies("expanding", one, vendor).code == -9

    assert one.tree() == before
    assert pipeline("run", one.manifest).code == 0
    assert len(vendor.ledger.entries) == 1


def test_crash_before_the_intent_sends_nothing_and_the_next_run_buys(
    one: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert dies("before intents", one, vendor).code == -9
    assert not vendor.ledger.entries

    assert pipeline("run", one.manifest).code == 0
    assert len(vendor.ledger.entries) == 1
    assert len(one.results()["purchases"]) == 1
    assert_whole(one)


@fails_without("pipeline.operations.open_campaign:_joined", "store.recover(now())")
@pytest.mark.parametrize(
    ("where", "sent"),
    [
        ("after intents", 0),
        ("before create", 0),
        ("after create", 1),
        ("before commit", 1),
    ],
)
def test_crash_between_the_intent_and_the_recorded_answer_is_an_unknown_outcome(
    one: Project, pipeline: Pipeline, vendor: Emulator, where: str, sent: int
) -> None:
    assert dies(where, one, vendor).code == -9
    assert len(vendor.ledger.entries) == sent

    assert_never_sent_again(one, pipeline, vendor, sent)


@pytest.mark.parametrize(("when", "sent"), [("before-reading", 0), ("after-processing", 1)])
def test_crash_during_the_call_is_an_unknown_outcome(
    one: Project, pipeline: Pipeline, vendor: Emulator, fork_server: ForkServer, when: str, sent: int
) -> None:
    """In the middle of the body, and after its last byte."""
    one.write({"images/red.png": LARGE})
    fault: Json = {"on": "create", "do": {"stall": PATIENCE, "at": when}}
    vendor.fail(fault)
    log = one.folder.with_name("log")
    run = fork_server.start("run", one.manifest, url=vendor.url, folder=one.folder, log=log)
    until(
        lambda: any(struck for *_, struck in vendor.faults.counts()) and len(vendor.ledger.entries) == sent,
        "the create to be on its way",
    )
    run.signal(signal.SIGKILL)
    assert run.ended().code == -9
    vendor.clear_faults()
    assert len(vendor.ledger.entries) == sent

    assert_never_sent_again(one, pipeline, vendor, sent)


def assert_never_sent_again(project: Project, pipeline: Pipeline, vendor: Emulator, sent: int) -> None:
    for _ in range(2):
        ended = pipeline("run", project.manifest)

        assert ended.code == 7, ended.output
        assert project.statuses() == {WALK: "attention"}
        assert len(vendor.ledger.entries) == sent
        assert_nothing_forgotten(project, vendor)


def test_crash_after_the_recorded_answer_is_continued(
    one: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert dies("after commit", one, vendor).code == -9

    assert pipeline("run", one.manifest).code == 0
    assert len(vendor.ledger.entries) == 1
    assert_whole(one)


def test_times_are_in_utc_in_any_time_zone(one: Project, start: Callable[..., Running]) -> None:
    begun = datetime.now(UTC)

    ended = start("run", one.manifest, "--events", "events.jsonl", TZ="EAST-14").ended()

    assert ended.code == 0, ended.output
    times = [json.loads(line)["at"] for line in (one.folder / "events.jsonl").read_text().splitlines()]
    for each in (one.results()["purchases"][0]["bought_at"], *times):
        assert each.endswith("Z")
        assert begun - timedelta(seconds=1) <= datetime.fromisoformat(each) <= datetime.now(UTC)

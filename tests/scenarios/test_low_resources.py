"""A machine with few descriptors or little memory: a run does what it can, and loses or repeats nothing."""

from pathlib import Path

from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.limits import limited

from pipeline.emulator.embedded import Emulator

MIB = 1024 * 1024


def test_run_needs_no_descriptor_per_workflow(folder: Path, vendor: Emulator) -> None:
    prompts = {f"take-{number}": f"take {number}" for number in range(60)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, limits={"in_flight": 60})})

    ended = limited("RLIMIT_NOFILE", 48, "run", project.manifest, url=vendor.url, folder=folder)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 60


def test_low_memory_is_reported_and_the_next_run_continues(
    project: Project, pipeline: Pipeline, vendor: Emulator, folder: Path
) -> None:
    ended = limited("RLIMIT_AS", 110 * MIB, "run", project.manifest, url=vendor.url, folder=folder)

    assert ended.code not in (0, 70), ended.output
    assert "Traceback" not in ended.output
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 2

"""The example repository works unchanged: its workflows use the action, from the pull request to the videos."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.campaigns import picture

from ci.forge import Forge, open_forge
from ci.hosting import ROOT, Job, Machine, Remote, filled
from pipeline.emulator.embedded import Emulator

GITOPS = ROOT / "examples" / "gitops"


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """The example as a repository, with small pictures, as large ones prove nothing more."""
    names = [path.relative_to(GITOPS).as_posix() for path in GITOPS.rglob("*") if path.is_file()]
    kept = [name for name in names if not name.startswith(("campaigns/output", "campaigns/.pipeline"))]
    small = {name: picture(Path(name).stem) for name in kept if name.endswith(".png")}
    return Remote.of(tmp_path, {name: small.get(name) or (GITOPS / name).read_bytes() for name in kept})


@pytest.fixture
def forge() -> Iterator[Forge]:
    with open_forge() as running:
        yield running


def follow(machine: Machine, workflow: str, event: dict[str, Any], job: str = "plan", **context: Any) -> Job:
    """Run the steps of a workflow's job that use the action."""
    jobs = yaml.safe_load((machine.workspace / ".github" / "workflows" / workflow).read_text("utf-8"))["jobs"]
    [step] = [step for step in jobs[job]["steps"] if "campaign-pipeline" in step.get("uses", "")]
    secrets = {"secrets": {"VIMMERSE_API_KEY": machine.key}}
    inputs = {name: filled(str(value), {**secrets, **context}) for name, value in step["with"].items()}
    return machine.uses(event, **inputs)


def test_example_works_from_the_pull_request_to_the_videos(
    remote: Remote, vendor: Emulator, forge: Forge, tmp_path: Path
) -> None:
    def machine(name: str) -> Machine:
        (tmp_path / name).mkdir()
        made = Machine(tmp_path / name, remote.folder, vendor.url)
        made.environment["GITHUB_API_URL"] = forge.url
        return made

    planned = follow(machine("plan"), "plan.yml", {"pull_request": {"number": 1}})
    merged = machine("merged")
    shown = follow(merged, "run.yml", {})
    [campaign] = json.loads(shown.outputs["matrix"])

    def run(name: str, first: str) -> tuple[Machine, Job]:
        made = machine(name)
        shutil.copytree(merged.workspace / "campaign-plans", made.workspace / "campaign-plans")
        return made, follow(made, "run.yml", {}, "run", inputs={"first": first}, matrix=campaign)

    _, refused = run("refused", "")
    by_hand, first = run("by-hand", "spring")
    later = follow(machine("later"), "run.yml", {})
    collected = machine("collect")
    [every] = json.loads(later.outputs["all"])
    collect = follow(collected, "run.yml", {}, "collect", matrix=every)

    codes = [job.code for job in (planned, shown, refused, first, later, collect)]
    assert codes == [0, 0, 3, 0, 0, 0], first.log + collect.log
    assert later.outputs["matrix"] == "[]"
    assert "buys 4" in forge.texts()[0]
    assert len(vendor.ledger.entries) == 4
    assert remote.statuses() == ["done"] * 4
    for each in (by_hand, collected):
        assert len(list((each.workspace / "campaigns" / "output").rglob("*.mp4"))) == 4

"""The shard examples are valid by their schemas, match the documentation, and run."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has none
import pytest
import yaml
from support.campaigns import Project, campaign, spring
from support.processes import PROGRAM, environment
from test_locks import pins

from pipeline import __version__
from pipeline.emulator.embedded import Emulator
from pipeline.errors import ExitCode

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "shards"
# No run exits with this one.
ONLY_PLANS = {ExitCode.CHANGES}


@pytest.fixture(scope="module")
def job() -> Any:
    return yaml.safe_load((EXAMPLE / "job.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def rules(job: Any) -> dict[str, set[int]]:
    """The exit codes that lead to each action."""
    found: dict[str, set[int]] = {}
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        if "onExitCodes" in rule:
            assert rule["onExitCodes"]["operator"] == "In"
            found.setdefault(rule["action"], set()).update(rule["onExitCodes"]["values"])
    return found


def table(page: str) -> list[list[str]]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]


def test_job_is_valid(job: Any) -> None:
    kubernetes_validate.validate(job, "1.33", strict=True)


def test_image_of_the_pods_contains_what_they_run(job: Any) -> None:
    image = (EXAMPLE / "Dockerfile").read_text("utf-8")
    [target] = re.findall(r"^COPY campaigns/ (\S+/)$", image, re.MULTILINE)
    [container] = job["spec"]["template"]["spec"]["containers"]
    [script] = container["args"]

    assert f"pipeline run {target}spring.yaml" in script
    # A volume there would hide it, and a ConfigMap consists of links to a hidden folder, where no manifest is read.
    assert [each["mountPath"] for each in container["volumeMounts"]] == ["/records"]
    assert f"--tag {container['image']} " in image
    # It is built from the image of this project, whose lock includes what a database state needs.
    assert f"/campaign-pipeline:{__version__}\n" in image
    assert "psycopg" in pins("image.txt")


def test_every_exit_code_of_a_run_has_one_action(rules: dict[str, set[int]]) -> None:
    listed = [code for codes in rules.values() for code in codes]
    assert sorted(listed) == sorted(set(ExitCode) - ONLY_PLANS - {ExitCode.OK})
    documented = {
        int(code) for row in table("reference/exit-codes.md") for code in re.findall(r"^\d+$", row[0])
    }
    assert documented == {*listed, 0, *ONLY_PLANS}


def test_page_describes_the_job(rules: dict[str, set[int]]) -> None:
    told = {
        row[1].strip("`"): {int(code) for code in row[0].split(",")}
        for row in table("how-to/shards.md")
        if re.match(r"\d", row[0])
    }
    assert told == rules


def test_workflow_runs_every_part_once() -> None:
    workflow = yaml.safe_load((EXAMPLE / ".github/workflows/run.yml").read_text("utf-8"))
    shards = workflow["jobs"]["run"]["strategy"]["matrix"]["shard"]
    assert shards == [f"{index}/{len(shards)}" for index in range(1, len(shards) + 1)]
    [step] = [each for each in workflow["jobs"]["run"]["steps"] if "campaign-pipeline" in each["uses"]]
    assert set(step["with"]) <= set(yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"])


@pytest.fixture
def many(folder: Path) -> Project:
    return campaign(
        folder, {"campaign.yaml": spring(prompts={f"p{number}": f"walk {number}" for number in range(9)})}
    )


def test_pods_buy_everything_once(job: Any, many: Project, vendor: Emulator) -> None:
    [container] = job["spec"]["template"]["spec"]["containers"]
    [script] = container["args"]
    script = script.replace("/campaigns/", f"{many.folder}/").replace("spring.yaml", "campaign.yaml")
    script = script.replace("/records/", f"{many.folder}/records/")
    (many.folder / "records").mkdir()
    [state] = [each for each in container["env"] if each["name"] == "PIPELINE_STATE"]
    assert "value" not in state
    program = many.folder / "bin" / "pipeline"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    for index in range(job["spec"]["completions"]):
        around = environment(
            vendor.url, {"JOB_COMPLETION_INDEX": str(index), "PIPELINE_STATE": str(many.state)}
        )
        around["PATH"] = f"{program.parent}{os.pathsep}{around['PATH']}"
        ended = subprocess.run(
            [*container["command"], script], env=around, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
    assert len(vendor.ledger.bought) == 9
    assert len(list(many.folder.glob("records/spring.results.*-of-4.json"))) == 4

"""A campaign that is run in shards, on one machine or on several."""

import shutil
from pathlib import Path

import pytest

from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, spring
from support.postgres import PostgresServer

PROMPTS = {f"p{number}": f"a walk, number {number}" for number in range(12)}


@pytest.fixture(params=["a file", "a database"])
def state(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The location of this test's shard states, as environment of separate processes."""
    if request.param == "a file":
        return {}
    postgres: PostgresServer = request.getfixturevalue("postgres")
    around = {"PIPELINE_STATE": postgres.database().url, "PIPELINE_LEASE_SECONDS": "3"}
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    return around


@pytest.fixture
def twelve(folder: Path, state: dict[str, str]) -> Project:
    """Twelve jobs with different requests, 100 credits each."""
    return campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS)})


def shard_file(project: Project, index: int, count: int) -> Path:
    return project.folder / f"{project.name}.results.{index}-of-{count}.json"


def run_all(pipeline: Pipeline, project: Project, count: int, *more: str) -> list[Ended]:
    return [
        pipeline("run", project.manifest, "--shard", f"{index}/{count}", *more)
        for index in range(1, count + 1)
    ]


def forget_all_but_results(project: Project) -> None:
    shutil.rmtree(project.folder / ".pipeline")
    shutil.rmtree(project.folder / "output")

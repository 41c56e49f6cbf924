"""The example provider works: its own tests pass, and a campaign buys from it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Running, environment

ROOT = Path(__file__).parents[2]
LUMEN = ROOT / "examples" / "provider"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The example, with the metadata that pip would install."""
    folder = tmp_path / "provider"
    shutil.copytree(LUMEN, folder, ignore=shutil.ignore_patterns("output", ".*", "__pycache__"))
    announced = folder / "pipeline_lumen-1.0.dist-info"
    announced.mkdir()
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: pipeline-lumen\nVersion: 1.0\n")
    (announced / "entry_points.txt").write_text("[pipeline.providers]\nlumen = pipeline_lumen:provider\n")
    return folder


@pytest.fixture
def server(copy: Path) -> Iterator[str]:
    """The URL of Lumen."""
    command = [sys.executable, "-u", "lumen_server.py"]
    with subprocess.Popen(command, cwd=copy, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_tests_of_the_example_pass(copy: Path) -> None:
    path = os.pathsep.join([str(copy), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-n0", "tests"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_campaign_buys_from_the_example_with_its_own_key(copy: Path, server: str) -> None:
    path = os.pathsep.join([str(copy), str(ROOT)])
    around = environment(NOWHERE, {"PYTHONPATH": path, "LUMEN_BASE_URL": server})

    without = Running(("run", "campaign.yaml", "--yes"), around, copy).ended()
    assert without.code == 5, without.output
    assert "set LUMEN_API_KEY" in without.err

    ended = Running(("run", "campaign.yaml", "--yes"), {**around, "LUMEN_API_KEY": "any"}, copy).ended()
    assert ended.code == 0, ended.output
    assert len(list((copy / "output").rglob("*.png"))) == 2


@pytest.mark.parametrize("source", ["lights.results.json", ".pipeline/lights.db"])
def test_records_alone_are_collected_from_the_provider_that_made_them(
    copy: Path, server: str, source: str
) -> None:
    path = os.pathsep.join([str(copy), str(ROOT)])
    keys = {"LUMEN_API_KEY": "any", "VIMMERSE_API_KEY": "other"}
    around = environment(NOWHERE, {"PYTHONPATH": path, "LUMEN_BASE_URL": server, **keys})
    assert Running(("run", "campaign.yaml", "--yes"), around, copy).ended().code == 0
    (copy / "campaign.yaml").unlink()
    shutil.rmtree(copy / "output")
    announced = copy / "pipeline_lumen-1.0.dist-info"
    announced.rename(copy / "not-installed")

    without = Running(("collect", source), around, copy).ended()
    (copy / "not-installed").rename(announced)
    ended = Running(("collect", source), around, copy).ended()

    assert without.code == 3, without.output
    assert "no provider that is installed here (vimmerse) made these purchases" in without.err
    assert ended.code == 0, ended.output
    assert len(list((copy / "output").rglob("*.png"))) == 2


def test_example_is_rehearsed_without_its_vendor(copy: Path) -> None:
    path = os.pathsep.join([str(copy), str(ROOT)])
    around = environment(NOWHERE, {"PYTHONPATH": path})

    ended = Running(("run", "campaign.yaml", "--emulate"), around, copy).ended()

    assert ended.code == 0, ended.output
    assert len(list((copy / "output" / "lights" / "emulated").rglob("*.png"))) == 2

"""Each benchmark still works at its smallest size; its measurements are meaningless there and ignored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS

ROOT = Path(__file__).parents[1]

# The expected beginnings of the rows of each part.
ROWS = {
    "lifecycle": [
        "lifecycle, 10 jobs, http: ",
        "lifecycle, 10 jobs, https: ",
        "lifecycle, 10 jobs: CPU that https",
    ],
    "waiting": [
        "waiting, 10 workflows of 0.2 s in flight: × the delay",
        "waiting, 10 workflows of 0.2 s in flight: polls",
    ],
    "expand": ["expand, 10 jobs from a table: × the script", "expand, 10 jobs from a table: peak memory"],
    "plan": ["plan, 10 jobs from a table: × the script", "plan, 10 jobs from a table: peak memory"],
    "noop": ["run with nothing to do, 10 jobs from a table: × expand"],
    "startup": ["start-up, --help: ", "start-up, plan: ", "start-up, completion after `pipeline run --`: "],
    "detection": [
        "detection, 40 workflows of minutes, first run: ",
        "detection, 40 workflows of minutes, second run",
    ],
    "flight": ["in flight, 10 workflows: bytes each"],
    "emulator": ["emulator: clips a second of CPU"],
    "webhooks": [
        "webhooks, 500 calls a second for 1 s, 9 of 10 forged: answered",
        "webhooks, 500 calls a second for 1 s, 9 of 10 forged: memory",
        "webhooks, 10 jobs, ",
    ],
    "serve": [
        "serve, 10 jobs, 4 transitions a second, 3 browsers: share of a core",
        "serve, 10 jobs, 4 transitions a second, 3 browsers: seconds until the last browser knows",
    ],
    "cluster": [
        "cluster of 3 workers, 10 clips of 0.1 MiB, a bounded rate for each client: bytes a second",
        "cluster of 3 workers, 10 clips of 0.1 MiB, a bounded rate for each client: the whole run",
    ],
}


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("part", ROWS)
def test_each_part_measures_its_rows(part: str) -> None:
    ended = benchmarks(part, "--smoke", "--json")

    assert ended.returncode == 0, ended.stderr
    measured = [row["what"] for row in json.loads(ended.stdout)["rows"] if row["values"]]
    for beginning in ROWS[part]:
        assert any(what.startswith(beginning) for what in measured), measured


def test_no_part_is_left_out() -> None:
    assert list(PARTS) == list(ROWS)

"""Output for scripts is JSON, whatever the encoding of the terminal or pipe."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.campaigns import campaign, spring
from support.processes import PATIENCE, PROGRAM, environment

from pipeline.emulator.embedded import Emulator

Printed = Callable[..., bytes]

NAMES = {"zoë": "Grüße", "👍": "👎 € Ω"}
ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16", "cp037")


@pytest.fixture
def printed(folder: Path, vendor: Emulator) -> Printed:
    """Call a command with another encoding of stdout; returns the printed bytes."""

    def call(*arguments: str, encoding: str, code: int = 0) -> bytes:
        ended = subprocess.run(
            [*PROGRAM, *arguments],
            env=environment(vendor.url, {"PYTHONIOENCODING": encoding}),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        return ended.stdout

    return call


@pytest.fixture(autouse=True)
def manifest(folder: Path) -> None:
    campaign(folder, {"campaign.yaml": json.dumps(spring(prompts=NAMES), ensure_ascii=False)})


def read(printed: bytes) -> Any:
    return json.loads(printed.decode("utf-8"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_plan_is_json_whatever_the_stdout_encoding(printed: Printed, encoding: str) -> None:
    document = read(printed("plan", "campaign.yaml", "--format", "json", encoding=encoding))

    assert [action["key"].split("/")[-1] for action in document["actions"]] == list(NAMES)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_other_documents_are_json_whatever_the_stdout_encoding(
    printed: Printed, folder: Path, encoding: str
) -> None:
    document = read(printed("expand", "campaign.yaml", "--format", "json", encoding=encoding))
    assert [job["request"]["options"]["prompt"] for job in document["jobs"]] == list(NAMES.values())
    lines = printed("expand", "campaign.yaml", "--format", "jsonl", encoding=encoding).splitlines()
    assert [read(line)["key"].split("/")[-1] for line in lines] == list(NAMES)
    assert read(printed("schema", "campaign", encoding=encoding))["title"] == "Campaign"
    events = printed("run", "campaign.yaml", "--events", "-", encoding=encoding).splitlines()
    assert {read(line)["key"].split("/")[-1] for line in events} == set(NAMES)
    document = read(printed("status", "campaign.yaml", "--format", "json", encoding=encoding))
    assert [job["key"].split("/")[-1] for job in document["jobs"]] == list(NAMES)
    (folder / "campaign.yaml").write_text("version: 1\nname: spring\nprömpts: {a: b}\n", encoding="utf-8")
    document = read(printed("validate", "campaign.yaml", "--format", "json", encoding=encoding, code=3))
    assert "prömpts: {a: b}" in [each["snippet"]["code"] for each in document["diagnostics"]]

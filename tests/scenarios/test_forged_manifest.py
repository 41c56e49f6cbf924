"""An untrusted manifest chooses what is bought, but not which server gets the buyer's key."""

from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

from pipeline.emulator.embedded import Emulator

ELSEWHERE = "https://evil.example/"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"provider": {"name": "vimmerse", "base_url": ELSEWHERE}}, "provider.base_url"),
        ({"provider": {"name": "vimmerse", "key": "k"}}, "provider.key"),
        ({"provider": {"name": "vimmerse", "proxy": ELSEWHERE}}, "provider.proxy"),
        ({"webhook_url": ELSEWHERE}, "webhook_url"),
        ({"state": "/tmp/state.db"}, "state"),
        ({"results": "/tmp/results.json"}, "results"),
    ],
    ids=lambda each: each if isinstance(each, str) else "given",
)
def test_manifest_chooses_neither_where_the_key_goes_nor_where_records_are(
    project: Project, pipeline: Pipeline, vendor: Emulator, change: dict[str, Any], expected: str
) -> None:
    project.write({"campaign.yaml": spring(**change)})

    ended = pipeline("run", project.manifest)

    assert ended.code == 3, ended.output
    assert f": {expected}: unknown key" in ended.err
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(
    "name", ["os", "support.hostile", "support/hostile", "./plugin.py", "vimmerse:Vimmerse"]
)
def test_manifest_cannot_import_code(project: Project, pipeline: Pipeline, name: str) -> None:
    project.write(
        {"campaign.yaml": spring(provider={"name": name}), "plugin.py": "raise SystemExit('loaded')"}
    )

    ended = pipeline("run", project.manifest)

    assert ended.code == 3, ended.output
    assert "Traceback" not in ended.err
    assert "loaded" not in ended.output

"""Where the files of a live page are looked for."""

import math
from pathlib import Path
from typing import Any

import pytest
from support.campaigns import campaign, spring

from pipeline.jobs import JobKey
from pipeline.manifest.load import load
from pipeline.operations.environment import Environment
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import workspace_of
from pipeline.purchases import Output, Purchase, PurchaseId, Status
from pipeline.report.stills import StillCache
from pipeline.serve import found_files
from pipeline.serve.found_files import FoundFiles
from pipeline.serve.stills import Stills

ONE, OTHER = "a" * 64, "b" * 64


def bought(digest: str) -> Purchase:
    return Purchase(
        id=PurchaseId(digest[:16]),
        key=JobKey(f"first/{digest[:1]}"),
        fingerprint="v1:x",
        status=Status.DONE,
        bought_at="2026-11-28T12:00:00.000Z",
        template_id="t",
        outputs=(Output("video/mp4", sha256=digest, bytes=1),),
        path=f"first/{digest[:1]}",
    )


def served(purchase: Purchase, key: str) -> dict[str, Any]:
    """The document of a job whose file is `hero.mp4` now."""
    file = {"path": "output/spring/hero.mp4", "sha256": purchase.outputs[0].sha256, "bytes": 1}
    return {"key": key, "purchase": purchase.id, "outputs": [file]}


def test_file_at_the_path_of_a_job_that_is_gone_is_not_taken_for_its_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_files, "_LOOK_AGAIN", 0.0)
    monkeypatch.setattr(found_files, "_LOOKING_SHARE", math.inf)
    project = campaign(tmp_path, {"campaign.yaml": spring()})
    workspace = workspace_of(load(project.manifest), RecordPaths(), Environment({}))
    found = FoundFiles(workspace, 0, Stills(StillCache(tmp_path / "stills"), None))
    one, other = bought(ONE), bought(OTHER)
    path = tmp_path / "output/spring/hero.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1")
    found.find([served(one, "before")], {one.id: one})
    assert found.locations == {ONE: path}

    path.unlink()
    assert found.look()
    found.forget(["before"])
    path.write_bytes(b"2")
    found.find([served(other, "after")], {other.id: other})
    found.look()

    assert found.locations == {OTHER: path}

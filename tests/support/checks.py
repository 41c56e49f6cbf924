"""Checks of everything that is bought, whatever happened on the way."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from PIL import Image

from pipeline.documents.schema_library import grammars_on_demand
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.ledger import LedgerEntry
from support.campaigns import Project

with grammars_on_demand():
    import jsonschema

_SCHEMAS = Path(__file__).parents[2] / "schemas"


def assert_playable(name: str, content: bytes) -> None:
    """A video or an image can be decoded completely."""
    if name.endswith(".mp4"):
        with av.open(BytesIO(content), "r") as video:
            assert len(list(video.decode(video=0))) > 1, name
    else:
        with Image.open(BytesIO(content)) as image:
            image.load()


def assert_valid(document: Any, schema: str) -> None:
    """The document is valid by its JSON Schema."""
    written = json.loads((_SCHEMAS / f"{schema}.schema.json").read_bytes())
    jsonschema.Draft202012Validator(written).validate(document)


def assert_whole(project: Project, *, may_leave_partial: bool = False) -> None:
    """Every file is playable and matches the results; no partial download is left, unless it may."""
    results = project.results()
    assert_valid(results, "results")
    files = project.output()
    for job in results["jobs"]:
        for output in job.get("outputs", ()):
            content = (project.folder / output["path"]).read_bytes()
            assert len(content) == output["bytes"]
            assert_playable(output["path"], content)
    partial = [name for name in files if name.rpartition("/")[2].startswith(".")]
    assert may_leave_partial or not partial
    for name, content in files.items():
        assert_playable(name, content)


def assert_nothing_bought_twice(vendor: Emulator) -> None:
    """No create reached the vendor twice: each has its own title, which names its purchase."""
    titles = [entry.title for entry in vendor.ledger.entries]
    assert len(titles) == len(set(titles)), titles


def bought_for(project: Project, vendor: Emulator) -> list[LedgerEntry]:
    """The ledger entries of this campaign, whose name begins the titles."""
    return [entry for entry in vendor.ledger.bought if entry.title.startswith(f"{project.name}: ")]


def assert_nothing_forgotten(project: Project, vendor: Emulator) -> None:
    """Every paid workflow is known, or its purchase is listed as needing attention."""
    purchases = project.results()["purchases"]
    known = {purchase.get("workflow_id") for purchase in purchases}
    doubtful = {purchase["id"] for purchase in purchases if purchase["status"] == "attention"}
    for entry in bought_for(project, vendor):
        named = entry.title.rpartition("(")[2].rstrip(")")
        assert entry.workflow_id in known or named in doubtful, entry

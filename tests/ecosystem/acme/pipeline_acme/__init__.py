"""A provider in one module: ACME "renders" by returning the image that it was given.

Its workflows are in the folder named by `ACME_HOME`, so they outlive the process, as at any vendor.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.providers import (
    Attachment,
    Bought,
    CallRefused,
    Changes,
    CreateOutcome,
    CreateRequest,
    Downloaded,
    JobRefused,
    Json,
    Media,
    NotFound,
    Progress,
    Settings,
    Workflow,
    WorkflowId,
)


def provider(settings: Settings) -> "Acme":
    """The entry point: creates a provider from the operator's settings, without key or address."""
    return Acme(settings, Path(os.environ["ACME_HOME"]))


@dataclass(frozen=True, slots=True)
class Acme:
    """One workflow is one folder with its request and source image. Plain data, so it can be pickled."""

    settings: Settings
    home: Path

    @property
    def name(self) -> str:
        return "acme"

    def prepare(self, request: CreateRequest) -> CreateRequest:
        if not all(isinstance(image, Attachment) for image in request.images):
            raise CallRefused("ACME takes no urls")
        return request

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Buy once: every path returns one of the outcomes."""
        if not request.images:
            return JobRefused("ACME needs an image")
        workflow = secrets.token_hex(8)
        folder = self.home / workflow
        folder.mkdir(parents=True)
        [image] = (each for each in request.images if isinstance(each, Attachment))
        (folder / "image").write_bytes(image.content)
        self._write(
            folder, {"title": request.title, "template_id": request.template_id, "type": image.content_type}
        )
        return Bought(WorkflowId(workflow))

    def get(self, workflow_id: str) -> Workflow:
        sold = self._read(workflow_id)
        image = Media(f"acme:{workflow_id}", sold["type"], (self.home / workflow_id / "image").stat().st_size)
        return Workflow(
            workflow_id,
            Progress.SUCCEEDED,
            "rendered",
            template_id=sold["template_id"],
            title=sold["title"],
            result=(image,),
            credits=7,
        )

    def update(self, workflow_id: str, changes: Changes) -> Workflow:
        sold = self._read(workflow_id)
        if changes.title is not None:
            self._write(self.home / workflow_id, {**sold, "title": changes.title})
        return self.get(workflow_id)

    def delete(self, workflow_id: str) -> None:
        for name in ("order.json", "image"):
            (self.home / workflow_id / name).unlink(missing_ok=True)

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        """ACME does not collect error reports."""

    def health(self) -> None:
        """ACME is always healthy."""

    def download(self, media: Media, target: Path) -> Downloaded:
        content = (self.home / media.url.removeprefix("acme:") / "image").read_bytes()
        beside = target.with_name(f"{target.name}.part")
        beside.write_bytes(content)
        beside.replace(target)
        return Downloaded(hashlib.sha256(content).hexdigest(), len(content), media.content_type)

    def _read(self, workflow_id: str) -> dict[str, str]:
        try:
            sold: dict[str, str] = json.loads((self.home / workflow_id / "order.json").read_bytes())
        except FileNotFoundError:
            raise NotFound(f"ACME sold no {workflow_id}") from None
        return sold

    def _write(self, folder: Path, sold: Mapping[str, str]) -> None:
        (folder / "order.json").write_text(json.dumps(dict(sold)), encoding="utf-8")

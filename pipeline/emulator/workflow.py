"""A workflow as the emulator keeps it, and its progress at a given time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.purchases import WorkflowId

CONTENT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".wav": "audio/wav",
    ".bin": "application/octet-stream",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file that was made: its name in the workflow's folder, its type and its length in bytes."""

    name: str
    content_type: str
    bytes: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """The file at `path`."""
        return cls(name=path.name, content_type=CONTENT_TYPES[path.suffix], bytes=path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step, with the files that it made."""

    flow: str
    files: tuple[File, ...]


class ForcedEnd(StrEnum):
    """How a fault makes a workflow end. Any other word is a status that it shows for ever."""

    FAIL = "fail"
    CANCEL = "cancel"
    STUCK = "stuck"
    EMPTY = "empty"


# The final statuses of a workflow; a webhook is sent only for these.
FINAL_STATUSES = frozenset({"success", "fail", "cancel"})


class WebhookOutcome(StrEnum):
    """The delivery of a workflow's webhook. `NOT_SENT`: its url is not on this machine."""

    SENT = "sent"
    UNANSWERED = "unanswered"
    DROPPED = "dropped"
    NOT_SENT = "not sent"


# Fields with another name in a workflow's file, as folders of earlier versions have it.
_FILE_NAMES = {"forced_end": "fate", "progress_falls": "backwards", "webhook_outcome": "receipt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One workflow. Times are seconds since 1970; `inputs` are urls, or names of files in its own folder.

    `steps` is set when everything is made, `error` if that failed. `forced_end` is how a fault makes it end, as
    in `ForcedEnd`; with `progress_falls` its percentage goes down. `webhook_outcome` is None while the webhook is
    due. `take` distinguishes it from others with the same request.
    """

    id: WorkflowId
    template_id: str
    title: str
    description: str
    visibility: str
    options: Mapping[str, Json]
    inputs: tuple[str, ...]
    event_id: str
    webhook_url: str | None
    created: float
    updated: float
    duration: float
    steps: tuple[Step, ...] = ()
    error: str | None = None
    forced_end: str | None = None
    progress_falls: bool = False
    rating: str | None = None
    delivered_at: str | None = None
    webhook_outcome: str | None = None
    take: int = 1

    @property
    def due(self) -> float:
        """The earliest time at which it ends."""
        return self.created + self.duration

    @property
    def made(self) -> bool:
        """Whether its media is made, or never will be."""
        return bool(self.steps) or self.error is not None

    def to_json(self) -> bytes:
        """The content of its file."""
        fields = {_FILE_NAMES.get(name, name): value for name, value in asdict(self).items()}
        return json.dumps(fields, ensure_ascii=True, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not such content.
        """
        try:
            fields = json.loads(content)
            for name, file_name in _FILE_NAMES.items():
                fields[name] = fields.pop(file_name)
            steps = tuple(
                Step(flow=step["flow"], files=tuple(File(**file) for file in step["files"]))
                for step in fields["steps"]
            )
            workflow = cls(**{**fields, "inputs": tuple(fields["inputs"]), "steps": steps})
            if not all(map(math.isfinite, (workflow.created, workflow.updated, workflow.duration))):
                raise ValueError("its times are not finite")
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a workflow: {error}") from error
        return workflow


@dataclass(frozen=True, slots=True)
class Changes:
    """The fields that a PUT changes; a field that is None stays as it is."""

    title: str | None = None
    description: str | None = None
    visibility: str | None = None
    rating: str | None = None
    delivered_at: str | None = None

    def apply_to(self, workflow: Workflow, now: float) -> Workflow:
        """`workflow` with the changes, made at time `now`."""
        return replace(
            workflow,
            title=workflow.title if self.title is None else self.title,
            description=workflow.description if self.description is None else self.description,
            visibility=self.visibility or workflow.visibility,
            rating=self.rating or workflow.rating,
            delivered_at=self.delivered_at or workflow.delivered_at,
            updated=now,
        )


@dataclass(frozen=True, slots=True)
class View:
    """A workflow as a GET shows it at one moment."""

    status: str
    percent: int
    steps: tuple[Step, ...] = ()
    result: tuple[File, ...] = ()


# Only success shows 100.
_MAX_PERCENT_BEFORE_END = 99


def view(workflow: Workflow, now: float) -> View:
    """Its progress: by the clock while it runs, and ended when it is due and its media is made."""
    elapsed = max(now - workflow.created, 0.0)
    share = min(elapsed / workflow.duration, 1.0) if workflow.duration > 0 else 1.0
    percent = min(int(share * 100), _MAX_PERCENT_BEFORE_END)
    if workflow.progress_falls:
        percent = _MAX_PERCENT_BEFORE_END - percent
    ended = share >= 1 and (workflow.made or workflow.forced_end is not None)
    if not ended:
        status = "processing" if elapsed else "pending"
        return View(status=status, percent=percent, steps=_finished_steps(workflow, share))
    return final_view(workflow, percent)


def final_view(workflow: Workflow, percent: int = _MAX_PERCENT_BEFORE_END) -> View:
    """Its view once its time is over and its media is made; `percent` is shown if it does not succeed."""
    if workflow.forced_end == ForcedEnd.EMPTY:
        return View(status="success", percent=100)
    if workflow.forced_end == ForcedEnd.STUCK:
        return View(status="processing", percent=_MAX_PERCENT_BEFORE_END)
    if workflow.forced_end is not None:
        return View(status=workflow.forced_end, percent=percent)
    if workflow.error is not None:
        return View(status="fail", percent=percent)
    return View(status="success", percent=100, steps=workflow.steps, result=workflow.steps[-1].files)


def _finished_steps(workflow: Workflow, share: float) -> tuple[Step, ...]:
    # The last step ends with the workflow itself.
    return workflow.steps[: min(int(share * len(workflow.steps)), len(workflow.steps) - 1)]

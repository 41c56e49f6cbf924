"""A workflow as the emulator keeps it, and how far it is at a given time."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from pipeline.jobs import Json

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
    """One made file: its name in the workflow's folder, its type and its length."""

    name: str
    content_type: str
    bytes: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """The file that lies there."""
        return cls(path.name, CONTENT_TYPES[path.suffix], path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step and what it made."""

    flow: str
    files: tuple[File, ...]


class Fate(StrEnum):
    """How a workflow ends when not in success. Any other word is a status that it shows for ever."""

    FAIL = "fail"
    CANCEL = "cancel"
    STUCK = "stuck"
    EMPTY = "empty"


# The statuses that a webhook is told of.
ENDS = frozenset({"success", "fail", "cancel"})


class Receipt(StrEnum):
    """What became of the receipt for a webhook. `NOT_SENT`: its url is not on this machine."""

    SENT = "sent"
    UNANSWERED = "unanswered"
    DROPPED = "dropped"
    NOT_SENT = "not sent"


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow. Times are seconds since 1970; `inputs` are urls, or names of files in its own folder.

    `steps` is filled when everything is made, `error` when that could not be done. `fate` is how a fault lets
    it end; `backwards` makes its progress go down. `receipt` is what became of the receipt for its webhook, None
    while that is due.
    """

    id: str
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
    fate: str | None = None
    backwards: bool = False
    rating: str | None = None
    delivered_at: str | None = None
    receipt: str | None = None

    @property
    def due(self) -> float:
        """When it ends at the earliest."""
        return self.created + self.duration

    @property
    def made(self) -> bool:
        """Whether its media is there, or never will be."""
        return bool(self.steps) or self.error is not None

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=True, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            fields = json.loads(content)
            steps = tuple(
                Step(step["flow"], tuple(File(**file) for file in step["files"])) for step in fields["steps"]
            )
            return cls(**{**fields, "inputs": tuple(fields["inputs"]), "steps": steps})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a workflow: {error}") from error


@dataclass(frozen=True, slots=True)
class Changes:
    """What a PUT changes; None is left as it is."""

    title: str | None = None
    description: str | None = None
    visibility: str | None = None
    rating: str | None = None
    delivered_at: str | None = None

    def applied(self, workflow: Workflow, now: float) -> Workflow:
        """`workflow` with the changes."""
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
    """What a workflow shows at one moment."""

    status: str
    percent: int
    steps: tuple[Step, ...] = ()
    result: tuple[File, ...] = ()


_ALMOST = 99


def view(workflow: Workflow, now: float) -> View:
    """How far it is: by the clock while it runs, and ended when it is due and its media is made."""
    elapsed = max(now - workflow.created, 0.0)
    share = min(elapsed / workflow.duration, 1.0) if workflow.duration > 0 else 1.0
    percent = min(int(share * 100), _ALMOST)
    if workflow.backwards:
        percent = _ALMOST - percent
    ended = share >= 1 and (workflow.made or workflow.fate is not None)
    if not ended:
        return View("processing" if elapsed else "pending", percent, _done(workflow, share))
    return end(workflow, percent)


def end(workflow: Workflow, percent: int = _ALMOST) -> View:
    """What it shows when its time is over and its media is made; `percent` is where it is left if in no success."""
    if workflow.fate == Fate.EMPTY:
        return View("success", 100)
    if workflow.fate == Fate.STUCK:
        return View("processing", _ALMOST)
    if workflow.fate is not None:
        return View(workflow.fate, percent)
    if workflow.error is not None:
        return View("fail", percent)
    return View("success", 100, workflow.steps, workflow.steps[-1].files)


def _done(workflow: Workflow, share: float) -> tuple[Step, ...]:
    # The last step ends with the workflow itself.
    return workflow.steps[: min(int(share * len(workflow.steps)), len(workflow.steps) - 1)]
